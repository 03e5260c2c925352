//! One plain command on a computer, on a channel of its own.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use outlast_protocol::control::to_cli::{Executed, Sent};
use outlast_protocol::control::to_mux::Execute;
use outlast_protocol::secret::Secret;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use zeroize::Zeroizing;

use super::Mux;
use super::caller::{Caller, Stop};
use super::carrier::{Purpose, Words};
use super::failure::Failure;
use super::transport::Stream;

/// What is kept of what a command prints.
const MAX_OUTPUT: usize = 64 * 1024;
/// A piece of the file.
const PIECE: usize = 64 * 1024;
/// After so long without a byte in either direction the connection is taken for dead: there is no
/// heartbeat inside a command. Whoever runs one that is silent for longer has it say something.
const SILENCE: Duration = Duration::from_secs(120);
/// Bytes between two reports.
const REPORT: u64 = 256 * 1024;

/// Runs it and tells how it ended.
pub(super) async fn execute(
    mux: &Rc<Mux>,
    caller: &mut Caller,
    request: Execute,
    body: Bytes,
) -> Result<(), Stop> {
    let Execute {
        target,
        surroundings,
        command,
        line,
        file,
    } = request;
    if target.is_local() {
        let failure = Failure::usage("commands are executed on other computers");
        return Err(failure.into());
    }
    let file = match file.as_str() {
        "" => None,
        path => Some(File::open(path).await.map_err(|e| unreadable(path, &e))?),
    };
    let computer = target.destination.clone();
    let (hosts, way) = (mux.hosts.clone(), (target, surroundings, command));
    let (stream, words, _used) = caller
        .wait_for(|prompt, notice| async move {
            let (target, surroundings, command) = way;
            let purpose = Purpose::Command(&command);
            hosts
                .channel(&target, &surroundings, &*prompt, &*notice, purpose)
                .await
        })
        .await?;
    let (report, mut reports) = watch::channel(0_u64);
    let exchange = exchange(stream, Input { body, line, file }, &report);
    tokio::pin!(exchange);
    let exchanged = loop {
        tokio::select! {
            biased;
            exchanged = &mut exchange => break exchanged,
            Ok(()) = reports.changed() => {
                let bytes = *reports.borrow_and_update();
                caller.send(&Sent { bytes }.into(), Bytes::new());
            }
            message = caller.next() => {
                let (message, _) = message?;
                let message = format!("{} has no place here", message.name());
                return Err(Failure::internal(message).into());
            }
        }
    };
    let output = exchanged.map_err(|error| lost(&computer, &error, &words))?;
    let executed = Executed {
        status: words.status(),
        words: words.text(),
    };
    caller.send(&executed.into(), Bytes::from(output));
    Ok(())
}

/// What the command is given.
struct Input {
    body: Bytes,
    line: Option<Secret>,
    file: Option<File>,
}

/// Gives it its input and takes its output, until it has ended.
async fn exchange(
    stream: Stream,
    input: Input,
    report: &watch::Sender<u64>,
) -> io::Result<Vec<u8>> {
    let (mut read, mut write) = tokio::io::split(stream);
    let moved = watch::channel(()).0;
    let feeding = async {
        match feed(&mut write, input, report, &moved).await {
            // One that does not want the rest has ended, or will.
            Err(Feeding::Write) | Ok(()) => Ok(()),
            Err(Feeding::Read(error)) => Err(error),
        }
    };
    let taking = take(&mut read, &moved);
    let silence = silence(moved.subscribe());
    let both = async {
        tokio::pin!(feeding);
        tokio::pin!(taking);
        tokio::select! {
            // What it says last counts, whatever it left of its input.
            output = &mut taking => output,
            fed = &mut feeding => {
                fed?;
                taking.await
            }
        }
    };
    tokio::select! {
        output = both => output,
        error = silence => Err(error),
    }
}

/// On which side it did not work.
enum Feeding {
    Read(io::Error),
    Write,
}

async fn feed(
    write: &mut (impl AsyncWrite + Unpin),
    input: Input,
    report: &watch::Sender<u64>,
    moved: &watch::Sender<()>,
) -> Result<(), Feeding> {
    let Input { body, line, file } = input;
    // Why it takes no more, its own words say better.
    let refused = |_| Feeding::Write;
    write.write_all(&body).await.map_err(refused)?;
    if let Some(line) = line {
        let text = Zeroizing::new(format!("{}\n", line.reveal()));
        let written = write.write_all(text.as_bytes()).await;
        written.map_err(refused)?;
    }
    if let Some(mut file) = file {
        let mut piece = vec![0; PIECE];
        let (mut sent, mut told) = (0_u64, 0_u64);
        loop {
            let count = file.read(&mut piece).await.map_err(Feeding::Read)?;
            let Some(some) = piece.get(..count).filter(|some| !some.is_empty()) else {
                break;
            };
            write.write_all(some).await.map_err(refused)?;
            moved.send_replace(());
            sent = sent.saturating_add(count as u64);
            if sent.saturating_sub(told) >= REPORT {
                told = sent;
                report.send_replace(sent);
            }
        }
    }
    write.shutdown().await.map_err(refused)
}

async fn take(
    read: &mut (impl AsyncRead + Unpin),
    moved: &watch::Sender<()>,
) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let count = read.read(&mut piece).await?;
        if count == 0 {
            return Ok(output);
        }
        moved.send_replace(());
        let room = MAX_OUTPUT.saturating_sub(output.len()).min(count);
        output.extend_from_slice(piece.get(..room).unwrap_or_default());
    }
}

/// Comes when nothing has moved for too long.
async fn silence(mut moved: watch::Receiver<()>) -> io::Error {
    loop {
        let due = Instant::now() + SILENCE;
        tokio::select! {
            changed = moved.changed() => if changed.is_err() {
                std::future::pending::<()>().await;
            },
            () = sleep_until(due) => {
                let text = format!("nothing came or went for {} s", SILENCE.as_secs());
                return io::Error::new(io::ErrorKind::TimedOut, text);
            }
        }
    }
}

fn unreadable(path: &str, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot read {path}: {error}"))
}

fn lost(computer: &str, error: &io::Error, words: &Words) -> Failure {
    let said = words.text();
    let said = match said.trim() {
        "" => String::new(),
        said => format!("; it said: {}", said.replace('\n', "; ")),
    };
    Failure::unreachable(format!("lost {computer}: {error}{said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(body: &'static [u8]) -> Input {
        Input {
            body: Bytes::from_static(body),
            line: Some("open sesame".into()),
            file: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_says_nothing_for_long_is_given_up_and_not_earlier() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let started = Instant::now();
        let (report, _reports) = watch::channel(0);
        let talking = async {
            tokio::time::sleep(SILENCE / 2).await;
            theirs.write_all(b"x").await.unwrap();
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = exchange(Box::new(ours), input(b"in\n"), &report) => ended,
            () = talking => unreachable!(),
        };
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(started.elapsed(), SILENCE + SILENCE / 2);
    }

    #[tokio::test]
    async fn the_line_follows_the_body_and_what_is_said_last_is_heard() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let (report, _reports) = watch::channel(0);
        let peer = async {
            let mut heard = String::new();
            theirs.read_to_string(&mut heard).await.unwrap();
            theirs.write_all(b"done\n").await.unwrap();
            drop(theirs);
            heard
        };
        let done = exchange(Box::new(ours), input(b"in\n"), &report);
        let (output, heard) = tokio::join!(done, peer);
        assert_eq!(output.unwrap(), b"done\n");
        assert_eq!(heard, "in\nopen sesame\n");
    }
}
