//! What stands in for `/dev/log`: a datagram socket that is there or not, read or not.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use rustix::event::PollFlags;

use crate::deadline::Deadline;

/// What every line begins with.
const HEAD: &str = "<86>outlast-subsystem[";

pub struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
    _directory: tempfile::TempDir,
}

impl Syslog {
    /// Nobody listens yet.
    pub fn absent() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("outlast-syslog.")
            .tempdir()
            .unwrap();
        Self {
            path: directory.path().join("log"),
            socket: None,
            _directory: directory,
        }
    }

    pub fn listening() -> Self {
        let mut syslog = Self::absent();
        syslog.listen();
        syslog
    }

    /// Listens from now on, as a syslog that was started.
    pub fn listen(&mut self) {
        let socket = UnixDatagram::bind(&self.path).unwrap();
        socket.set_nonblocking(true).unwrap();
        self.socket = Some(socket);
    }

    /// Closes the socket and leaves its name, as a syslog that was killed.
    pub fn die(&mut self) {
        self.socket = None;
    }

    /// Removes what a killed one left.
    pub fn clear(&mut self) {
        assert!(self.socket.is_none(), "it lives");
        fs::remove_file(&self.path).unwrap();
    }

    /// Options of the subsystem that lead here.
    pub fn options(&self, policy: &str) -> String {
        let path = self.path.display();
        format!("--audit={policy} --audit-socket={path}")
    }

    /// Fills the queue, so that there is no room for a line. Says how much it took.
    pub fn fill(&self) -> usize {
        let sender = UnixDatagram::unbound().unwrap();
        sender.set_nonblocking(true).unwrap();
        let mut count = 0;
        loop {
            match sender.send_to(b"full", &self.path) {
                Ok(_) => count += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return count,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Takes out what filled it.
    #[track_caller]
    pub fn drain(&self, count: usize) {
        for _ in 0..count {
            assert_eq!(self.datagram().as_deref(), Some("full"));
        }
        assert_eq!(self.datagram(), None, "there was room for a line");
    }

    /// The next datagram, once it is there.
    #[track_caller]
    pub fn raw(&self) -> String {
        let socket = self.socket.as_ref().expect("it listens");
        assert!(
            Deadline::usual().poll(socket, PollFlags::IN),
            "no line came"
        );
        self.datagram().expect("poll said readable")
    }

    /// The fields of the next line.
    #[track_caller]
    pub fn line(&self) -> Vec<(String, String)> {
        fields(&self.raw())
    }

    /// Every datagram that is there now.
    pub fn rest(&self) -> Vec<String> {
        std::iter::from_fn(|| self.datagram()).collect()
    }

    fn datagram(&self) -> Option<String> {
        let mut buffer = vec![0; 65536];
        match self.socket.as_ref()?.recv(&mut buffer) {
            Ok(count) => {
                buffer.truncate(count);
                Some(String::from_utf8(buffer).expect("lines are UTF-8"))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }
}

/// What a reader of the log makes of a datagram.
#[track_caller]
pub fn fields(datagram: &str) -> Vec<(String, String)> {
    assert!(datagram.len() <= 8192, "{} bytes", datagram.len());
    assert!(!datagram.chars().any(char::is_control), "{datagram:?}");
    let rest = datagram.strip_prefix(HEAD).expect(datagram);
    let (pid, mut rest) = rest.split_once("]: ").expect(datagram);
    assert!(pid.parse::<u32>().is_ok(), "{datagram}");
    let mut fields = Vec::new();
    while let Some((name, behind)) = rest.split_once('=') {
        let (value, behind) = match behind.strip_prefix('"') {
            None => behind.split_at(behind.find(' ').unwrap_or(behind.len())),
            Some(quoted) => {
                let mut escaped = false;
                let end = quoted.find(|it| {
                    let ends = it == '"' && !escaped;
                    escaped = it == '\\' && !escaped;
                    ends
                });
                let (value, behind) = quoted.split_at(end.expect(datagram));
                (value, &behind[1..])
            }
        };
        fields.push((name.to_owned(), value.to_owned()));
        rest = behind.strip_prefix(' ').unwrap_or(behind);
    }
    assert_eq!(rest, "", "{datagram}");
    fields
}
