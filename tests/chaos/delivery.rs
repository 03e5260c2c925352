//! What one command line has delivered.

use std::time::Instant;

use outlast_tests::Output;
use serde_json::Value;

/// One event of `--output ndjson` that is a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) seq: u64,
    pub(crate) invocation: Option<String>,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Started,
    /// Standard output is 0, standard error 1.
    Output(usize, Vec<u8>),
    Completed {
        outcome: String,
        code: Option<u64>,
    },
    Gap {
        first: u64,
        bytes: u64,
    },
}

/// A command line that has ended, and what it printed.
pub(crate) struct Delivery {
    pub(crate) machine: usize,
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
    pub(crate) killed: bool,
    pub(crate) output: Output,
    pub(crate) printed: Printed,
}

pub(crate) enum Printed {
    /// Records, whole.
    Items(Vec<Item>),
    /// The streams of this job, without our own notes among them.
    Raw {
        label: String,
        streams: [Vec<u8>; 2],
    },
}

impl Item {
    pub(crate) fn output_len(&self) -> u64 {
        match &self.what {
            What::Output(_, bytes) => bytes.len() as u64,
            _ => 0,
        }
    }
}

/// The records among the lines; a last line that is not whole belongs to a killed program.
pub(crate) fn items(stdout: &[u8]) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    for line in stdout.split_inclusive(|byte| *byte == b'\n') {
        if line.last() != Some(&b'\n') {
            break;
        }
        let value: Value = serde_json::from_slice(line).map_err(|error| {
            format!(
                "the line {:?} is no JSON: {error}",
                String::from_utf8_lossy(line)
            )
        })?;
        items.extend(item(&value)?);
    }
    Ok(items)
}

fn item(value: &Value) -> Result<Option<Item>, String> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let number = |name: &str| value[name].as_u64();
    let wrong = || format!("no such event is documented: {value}");
    let what = match value["type"].as_str() {
        Some("started") => What::Started,
        Some("output") => {
            let stream = match value["stream"].as_str() {
                Some("stdout") => 0,
                Some("stderr") => 1,
                _ => return Err(wrong()),
            };
            // The jobs print ASCII alone.
            let data = text("data").ok_or_else(wrong)?;
            What::Output(stream, data.into_bytes())
        }
        Some("completed") => What::Completed {
            outcome: text("outcome").ok_or_else(wrong)?,
            code: number("exit_code"),
        },
        Some("gap") => What::Gap {
            first: number("first").ok_or_else(wrong)?,
            bytes: number("bytes").ok_or_else(wrong)?,
        },
        Some("interrupted" | "resumed") => return Ok(None),
        _ => return Err(wrong()),
    };
    Ok(Some(Item {
        seq: number("seq").ok_or_else(wrong)?,
        invocation: text("invocation_id"),
        what,
    }))
}

/// Standard error without the notes of `outlast` itself, which may stand anywhere in it: also in
/// the middle of the command's lines. With `torn`, the last note may be cut off.
pub(crate) fn without_notes(stderr: &[u8], computer: &str, torn: bool) -> Vec<u8> {
    let starts = [
        format!("{computer}: the connection is interrupted ("),
        format!("{computer}: resumed"),
        format!("{computer}: the command was cancelled"),
        "error: ".to_owned(),
        "hint: ".to_owned(),
    ];
    let mut left = Vec::new();
    let mut rest = stderr;
    'bytes: while let Some((first, behind)) = rest.split_first() {
        for start in &starts {
            let is_torn = torn && start.as_bytes().starts_with(rest);
            if rest.starts_with(start.as_bytes()) || is_torn {
                let end = rest.iter().position(|byte| *byte == b'\n');
                rest = end.map_or(&[][..], |end| &rest[end + 1..]);
                continue 'bytes;
            }
        }
        left.push(*first);
        rest = behind;
    }
    left
}

/// How often a command line came back after a loss.
pub(crate) fn reconnects(output: &Output) -> u64 {
    let text = output.stderr_text();
    text.matches(": resumed\n").count() as u64
}
