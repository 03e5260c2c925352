//! `outlast doctor`.

use std::sync::Arc;

use bytes::Bytes;
use outlast_protocol::control::target::Target;
use outlast_protocol::control::to_cli::{FailureKind, ToCli};
use outlast_protocol::control::to_mux::Examine;
use outlast_protocol::finding::{Finding, Verdict};
use tokio::sync::Mutex;

use super::Client;
use super::args::{DoctorArgs, Form};
use super::error::Error;
use super::exit::{self, Ending};
use super::parallel::{each, throttle};
use super::request::{answer, unexpected};
use super::target::{surroundings, targets};
use crate::control::connection::Connection;
use crate::output::finding::{self, Examination};
use crate::output::json;

/// Computers examined at the same time: few, for somebody reads along.
const AT_ONCE: u16 = 8;

/// Examines computers.
pub(super) async fn doctor(client: &Client, args: DoctorArgs) -> Result<u8, Error> {
    let here = vec![".".to_owned()];
    let hosts = if args.hosts.is_empty() {
        here
    } else {
        args.hosts
    };
    let targets = targets(client, &hosts, &args.ssh)?;
    let several = targets.len() > 1;
    // One computer at a time is written, whole.
    let pen = Arc::new(Mutex::new(()));
    let examinations = each(targets, throttle(AT_ONCE), |target| {
        let (client, pen) = (client.clone(), Arc::clone(&pen));
        async move {
            // Of a single one each line is shown as soon as it is known.
            let live = !several && client.form != Form::Json;
            let computer = target.destination.clone();
            let mut seen = Examination::new(computer);
            let error = examine(&client, target, &mut seen, live).await.err();
            if let Some(error) = &error {
                seen.findings.push(of(error));
            }
            let _turn = pen.lock().await;
            let shown = match (live, client.form) {
                (_, Form::Json) => Ok(()),
                (true, _) if error.is_some() => show(&client, seen.findings.last()),
                (true, _) => Ok(()),
                (false, _) => client
                    .output
                    .result(&finding::computer(&seen, client.output.paints_results())),
            };
            shown.map(|()| seen)
        }
    })
    .await;
    let examinations = examinations.into_iter().collect::<Result<Vec<_>, _>>()?;
    if client.form == Form::Json {
        client
            .output
            .result(&json::document(&finding::objects(&examinations)))?;
    }
    let ending = |it: &Examination| match it.worst() {
        Verdict::Bad => Ending::Failed(FailureKind::Unreachable),
        Verdict::Good | Verdict::Doubtful => Ending::Done(None),
    };
    let endings: Vec<_> = examinations.iter().map(ending).collect();
    Ok(exit::code(&endings))
}

/// An error of ours, as one more finding.
fn of(error: &Error) -> Finding {
    Finding::new("client", Verdict::Bad, error.to_string()).hint(error.hint())
}

fn show(client: &Client, findings: Option<&Finding>) -> Result<(), Error> {
    let paints = client.output.paints_results();
    findings.map_or(Ok(()), |it| {
        client.output.result(&finding::line(it, paints))
    })
}

/// Has the mux examine a computer.
async fn examine(
    client: &Client,
    target: Target,
    seen: &mut Examination,
    live: bool,
) -> Result<(), Error> {
    let mut connection = Connection::open(&client.place).await?;
    let request = Examine {
        target,
        surroundings: surroundings(),
    };
    connection.send(request, Bytes::new())?;
    while let Some((message, _)) = connection.next().await? {
        match message {
            ToCli::Examined(examined) => {
                for it in examined.findings {
                    if live {
                        show(client, Some(&it))?;
                    }
                    seen.findings.push(it);
                }
            }
            ToCli::Question(question) => {
                answer(client, &seen.computer, &question, &mut connection).await?;
            }
            ToCli::Notice(notice) => client.output.note(&notice.text),
            ToCli::Finished(_) => return Ok(()),
            ToCli::Failed(failed) => return Err(Error::Refused(failed)),
            other => return Err(unexpected("Examined or Finished", &other)),
        }
    }
    Err(Error::MuxLost("it ended while it examined".to_owned()))
}
