//! The cable between a client machine and the server, and the scissors.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards connections until it is cut; from then on it resets them, old and new.
#[derive(Clone)]
pub(super) struct Cutter {
    address: SocketAddr,
    cut: Arc<watch::Sender<bool>>,
}

impl Cutter {
    /// Listens on a port of its own. Must be called inside a runtime.
    pub(super) async fn before(target: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (cut, is_cut) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, target, is_cut.clone()));
            }
        });
        Ok(Self {
            address,
            cut: Arc::new(cut),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn cut(&self) {
        self.cut.send_replace(true);
    }
}

async fn carry(mut client: TcpStream, target: SocketAddr, mut is_cut: watch::Receiver<bool>) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        return reset(&client);
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = is_cut.wait_for(|cut| *cut) => {
            reset(&client);
            reset(&server);
        }
    }
}

/// The close that follows sends RST instead of FIN, and drops what is still in the buffers: a cut
/// cable is not polite.
fn reset(socket: &TcpStream) {
    let _ = set_socket_linger(socket, Some(Duration::ZERO));
}
