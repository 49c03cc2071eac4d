//! Which worker somebody asks for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use super::link::{Connect, Link};

/// The program at the other end of an ssh connection, unless another is named.
const PROGRAM: &str = "shotlens";
/// The build with CUDA, beside this one.
const CUDA: &str = "shotlens-cuda";

/// What `--worker` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerSpec {
    /// A program on this machine.
    Program(PathBuf),
    /// `ssh:HOST[:PROGRAM]`: a program on another one.
    Ssh {
        /// As ssh takes it.
        host: String,
        /// Its path there.
        program: String,
    },
}

impl FromStr for WorkerSpec {
    type Err = String;

    /// `cuda` (the program `shotlens-cuda` beside this one), `ssh:HOST[:PROGRAM]`, or a program's path.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "cuda" {
            return cuda_beside()
                .map(Self::Program)
                .ok_or_else(|| format!("there is no program {CUDA} beside this one"));
        }
        let Some(rest) = text.strip_prefix("ssh:") else {
            return Ok(Self::Program(PathBuf::from(text)));
        };
        let (host, program) = rest.split_once(':').unwrap_or((rest, PROGRAM));
        // A host that begins with a dash would be an option of ssh.
        if host.is_empty() || host.starts_with('-') || program.is_empty() {
            return Err(format!(
                "{text} names no host; write ssh:HOST or ssh:HOST:PROGRAM"
            ));
        }
        Ok(Self::Ssh {
            host: host.to_owned(),
            program: program.to_owned(),
        })
    }
}

impl WorkerSpec {
    /// For people.
    pub fn name(&self) -> String {
        match self {
            Self::Program(path) => format!("the worker {}", path.display()),
            Self::Ssh { host, .. } => format!("the worker on {host}"),
        }
    }

    /// How to reach it.
    pub fn connect(&self) -> Connect {
        let spec = self.clone();
        Box::new(move || Link::to_process(&mut spec.command()))
    }

    fn command(&self) -> Command {
        match self {
            Self::Program(path) => {
                let mut command = Command::new(path);
                command.arg("worker");
                command
            }
            Self::Ssh { host, program } => {
                let mut command = Command::new("ssh");
                // Nobody is there to type a password into a pipe.
                command.args(["-T", "-o", "BatchMode=yes", "--", host]);
                command.arg(format!("{} worker", quoted(program)));
                command
            }
        }
    }
}

/// For the shell at the other end.
fn quoted(program: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-~".contains(letter);
    if program.chars().all(is_plain) {
        return program.to_owned();
    }
    format!("'{}'", program.replace('\'', "'\\''"))
}

/// The build with CUDA beside this program, where there is one.
pub fn cuda_beside() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let name = format!("{CUDA}{}", std::env::consts::EXE_SUFFIX);
    let beside = program.parent().map(|folder| folder.join(name));
    beside.filter(|path: &PathBuf| Path::is_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_named_as_ssh_names_it_or_by_its_path() {
        let ssh = |host: &str, program: &str| WorkerSpec::Ssh {
            host: host.to_owned(),
            program: program.to_owned(),
        };
        assert_eq!("ssh:me@gpu".parse(), Ok(ssh("me@gpu", "shotlens")));
        let program = "ssh:gpu:/opt/my tools/shotlens";
        assert_eq!(program.parse(), Ok(ssh("gpu", "/opt/my tools/shotlens")));
        assert_eq!("./s".parse(), Ok(WorkerSpec::Program("./s".into())));
        assert!("ssh:".parse::<WorkerSpec>().is_err());
        assert!("ssh:-oProxyCommand=x".parse::<WorkerSpec>().is_err());
    }

    #[test]
    fn a_program_with_a_space_is_one_word_for_the_shell() {
        assert_eq!(quoted("/opt/shotlens"), "/opt/shotlens");
        assert_eq!(quoted("/my tools/it's"), "'/my tools/it'\\''s'");
    }
}
