//! The engine for Python. What happens in the interpreter is in `drivers/python.py`.

use std::fmt::Write as _;
use std::path::Path;

use rustix::process::Signal;

use super::engine::{Engine, Job, Launch, Recall};
use super::error::StartError;
use super::spec::{Command, Environment, RunspaceSpec, StartSpec};

const DRIVER: &[u8] = include_bytes!("../../drivers/python.py");

/// Runs the driver in a namespace of its own, with the builtins as they are now, and leaves
/// `__main__` to the user.
const START: &str = "import builtins, sys; directory = sys.argv[1]; sys.argv = ['']; \
    exec(compile(open(directory + '/init', encoding='utf-8').read(), '<outlast>', 'exec'), \
    {'__name__': '__outlast__', '__builtins__': dict(vars(builtins)), 'DIRECTORY': directory})";

/// Of no use to anybody since power supplies do not signal.
const RECALL: Signal = Signal::POWER;

#[derive(Debug)]
pub(super) struct Python;

impl Engine for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn package(&self) -> &'static str {
        "python3"
    }

    fn program(&self) -> &'static str {
        "python3"
    }

    fn login_shells(&self) -> &'static [&'static str] {
        &["python3"]
    }

    fn launch(&self, spec: &RunspaceSpec) -> Launch {
        Launch {
            arguments: vec![
                "-c".into(),
                START.into(),
                spec.directory.as_os_str().to_owned(),
            ],
            environment: spec.environment.clone(),
            files: vec![("init".to_owned(), DRIVER.to_vec())],
        }
    }

    /// It has no prompt of its own to be brought back from.
    fn reenter(&self) -> &'static [u8] {
        b""
    }

    fn recall(&self) -> Recall {
        Recall::Signal(RECALL)
    }

    fn job(&self, _directory: &Path, start: &StartSpec, _resume: bool) -> Result<Job, StartError> {
        let mut order = Order {
            environment: &start.environment,
            ..Order::default()
        };
        let mut files = Vec::new();
        let script = format!("{}.py", start.number);
        match &start.command {
            Command::Script(text) => files.push((script, text.clone())),
            Command::Argv(words) if words.is_empty() => return Err(StartError::NoCommand),
            Command::Argv(words) => order.argv = words,
            Command::File {
                script: text,
                args,
                name,
            } => {
                files.push((script, text.clone()));
                order.file = Some(name);
                order.args = args;
            }
        }
        files.push((format!("{}.args", start.number), order.literal()?));
        Ok(Job {
            files,
            flags: "a",
            guards: false,
        })
    }

    fn reception(&self, number: u64, environment: &Environment) -> Result<Job, StartError> {
        let order = Order {
            environment,
            ..Order::default()
        };
        Ok(Job {
            files: vec![(format!("{number}.args"), order.literal()?)],
            flags: "a",
            guards: false,
        })
    }
}

/// What the driver is to do, beside the script.
struct Order<'a> {
    argv: &'a [Vec<u8>],
    file: Option<&'a Vec<u8>>,
    args: &'a [Vec<u8>],
    environment: &'a Environment,
}

impl Default for Order<'_> {
    fn default() -> Self {
        const NOTHING: &Environment = &Vec::new();
        Self {
            argv: &[],
            file: None,
            args: &[],
            environment: NOTHING,
        }
    }
}

impl Order<'_> {
    /// It, as a literal of the language.
    fn literal(&self) -> Result<Vec<u8>, StartError> {
        let mut pairs = String::new();
        for (name, value) in self.environment {
            if name.is_empty() || name.contains(&b'=') {
                return Err(StartError::Name(String::from_utf8_lossy(name).into_owned()));
            }
            let _ = write!(pairs, "({}, {}), ", bytes(name)?, bytes(value)?);
        }
        let file = self.file.map_or(Ok("None".to_owned()), |it| bytes(it))?;
        let (argv, args) = (list(self.argv)?, list(self.args)?);
        let literal = format!(
            "{{'argv': [{argv}], 'file': {file}, 'args': [{args}], 'environment': [{pairs}]}}\n"
        );
        Ok(literal.into_bytes())
    }
}

fn list(words: &[Vec<u8>]) -> Result<String, StartError> {
    let words: Result<Vec<String>, _> = words.iter().map(|word| bytes(word)).collect();
    Ok(words?.join(", "))
}

/// One literal of bytes. What goes to the system as a string cannot have a NUL byte.
fn bytes(bytes: &[u8]) -> Result<String, StartError> {
    if bytes.contains(&0) {
        return Err(StartError::Nul);
    }
    Ok(format!("b'{}'", bytes.escape_ascii()))
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn bytes_are_a_literal_of_the_language() {
        assert_eq!(bytes(b"a'\\\n\xff\"").unwrap(), r#"b'a\'\\\n\xff\"'"#);
        assert!(bytes(b"\0").is_err());
    }
}
