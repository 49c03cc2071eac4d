//! The two streams to a worker, and how they are made.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// Lines of a worker's standard error that are kept, to say why it ended.
const LINES_KEPT: usize = 8;

/// An open connection; a process at its other end is killed when it is dropped.
pub struct Link {
    /// Requests go in here.
    pub input: Box<dyn Write + Send>,
    /// Replies come out here.
    pub output: Option<Box<dyn Read + Send>>,
    child: Option<Child>,
    said: Arc<Mutex<VecDeque<String>>>,
}

/// Makes a new connection, at first and after each crash.
pub type Connect = Box<dyn Fn() -> std::io::Result<Link> + Send + Sync>;

impl Link {
    /// Over any two streams.
    pub fn over(input: impl Write + Send + 'static, output: impl Read + Send + 'static) -> Self {
        Self {
            input: Box::new(input),
            output: Some(Box::new(output)),
            child: None,
            said: Arc::default(),
        }
    }

    /// To a process that is started for it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn to_process(command: &mut Command) -> std::io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let missing = || std::io::Error::other("a process without streams");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        let said = Arc::<Mutex<VecDeque<String>>>::default();
        let heard = Arc::clone(&said);
        std::thread::Builder::new()
            .name("worker's errors".to_owned())
            .spawn(move || {
                for line in BufReader::new(errors).lines().map_while(Result::ok) {
                    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                    heard.push_back(line);
                    if heard.len() > LINES_KEPT {
                        heard.pop_front();
                    }
                }
            })?;
        let mut link = Self::over(input, output);
        (link.child, link.said) = (Some(child), said);
        Ok(link)
    }

    /// The last that the process said on its standard error.
    pub fn last_words(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.back().cloned().unwrap_or_default()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
