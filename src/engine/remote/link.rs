//! The two streams to a worker, and how they are made.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

/// Lines of a worker's standard error that are kept, to say why it ended.
const LINES_KEPT: usize = 8;
/// How long the end of a process' standard error is waited for after its output has ended: they close in any order.
const LAST_WORDS_WAIT: Duration = Duration::from_secs(1);

/// An open connection; a process at its other end is killed when it is dropped.
pub struct Link {
    /// Requests go in here.
    pub input: Option<Box<dyn Write + Send>>,
    /// Replies come out here.
    pub output: Option<Box<dyn Read + Send>>,
    child: Option<Child>,
    said: Arc<Mutex<VecDeque<String>>>,
    /// Closed when nothing more will be said.
    has_said_all: Option<Receiver<()>>,
}

/// Makes a new connection, at first and after each crash.
pub type Connect = Box<dyn Fn() -> std::io::Result<Link> + Send + Sync>;

impl Link {
    /// Over any two streams.
    pub fn over(input: impl Write + Send + 'static, output: impl Read + Send + 'static) -> Self {
        Self {
            input: Some(Box::new(input)),
            output: Some(Box::new(output)),
            child: None,
            said: Arc::default(),
            has_said_all: None,
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
        let (talking, has_said_all) = bounded::<()>(0);
        std::thread::Builder::new()
            .name("worker's errors".to_owned())
            .spawn(move || {
                let _talking = talking;
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
        link.has_said_all = Some(has_said_all);
        Ok(link)
    }

    /// The last that a process whose output has ended said on its standard error; where it said nothing, how it ended.
    pub fn last_words(&mut self) -> String {
        if let Some(has_said_all) = &self.has_said_all {
            has_said_all.recv_timeout(LAST_WORDS_WAIT).ok();
        }
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let words = said.iter().rev().find(|line| is_reason(line));
        words
            .cloned()
            .or_else(|| how_it_ended(self.child.as_mut()?))
            .unwrap_or_default()
    }
}

/// Whether a line says what happened: behind a panic comes advice for programmers.
fn is_reason(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with("note: run with")
}

/// As "signal: 9 (SIGKILL)"; `None` where it goes on, or ended well. Its streams are closed a moment before it counts as ended.
fn how_it_ended(child: &mut Child) -> Option<String> {
    let start = Instant::now();
    loop {
        match child.try_wait().ok()? {
            Some(status) => return (!status.success()).then(|| status.to_string()),
            None if start.elapsed() > LAST_WORDS_WAIT => return None,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    /// The last words of a shell that runs `script`.
    fn words_of(script: &str) -> String {
        let mut command = Command::new("sh");
        let mut link = Link::to_process(command.args(["-c", script])).unwrap();
        // As whoever listens does: to the end of the output.
        let mut output = String::new();
        let mut replies = link.output.take().unwrap();
        replies.read_to_string(&mut output).unwrap();
        link.last_words()
    }

    #[test]
    fn the_last_words_are_the_reason_and_without_any_the_end_itself() {
        assert_eq!(words_of("echo no GPU >&2; exit 1"), "no GPU");
        let panic = "echo thread main panicked at x.rs:1:2: >&2; echo out of bounds >&2; \
            echo 'note: run with `RUST_BACKTRACE=1` to see more' >&2; exit 101";
        assert_eq!(words_of(panic), "out of bounds");
        assert_eq!(words_of("exit 0"), "");
        // Errors may end after the output does.
        assert_eq!(words_of("exec >&-; echo late >&2"), "late");
        assert!(words_of("kill -9 $$").contains("SIGKILL"));
    }
}
