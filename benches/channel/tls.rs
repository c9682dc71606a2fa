//! TLS 1.3 as one would set it up for the same job: each end pins the certificate of the other.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedCipherSuite};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use crate::transport::Transport;

const TARGET: &str = "target.invalid";
const CLIENT: &str = "client.invalid";

/// Links that wait to be taken, as many as hpt's listener lets wait.
const BACKLOG: usize = 16;

#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

impl Tls {
    pub(crate) fn new(suite: SupportedCipherSuite) -> Self {
        // X25519 alone, as in hpt: a hybrid with ML-KEM would cost TLS more.
        let provider = Arc::new(CryptoProvider {
            cipher_suites: vec![suite],
            kx_groups: vec![aws_lc_rs::kx_group::X25519],
            ..aws_lc_rs::default_provider()
        });
        let (target, target_key) = certificate(TARGET);
        let (client, client_key) = certificate(CLIENT);

        let clients = Arc::new(trusting(&client));
        let verifier = WebPkiClientVerifier::builder_with_provider(clients, provider.clone())
            .build()
            .expect("the client's certificate is a root");
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .expect("the suite is of TLS 1.3")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![target.clone()], target_key)
            .expect("the key is the certificate's");
        let mut dialling = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .expect("the suite is of TLS 1.3")
            .with_root_certificates(trusting(&target))
            .with_client_auth_cert(vec![client], client_key)
            .expect("the key is the certificate's");
        // Every handshake is a whole one, as hpt's are; and no ticket is made that nobody takes.
        server.send_tls13_tickets = 0;
        dialling.resumption = Resumption::disabled();
        server.alpn_protocols = vec![b"h2".to_vec()];
        dialling.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            connector: Arc::new(dialling).into(),
            acceptor: Arc::new(server).into(),
        }
    }
}

impl Transport for Tls {
    type Ours = client::TlsStream<TcpStream>;
    type Theirs = server::TlsStream<TcpStream>;

    async fn listen(
        &self,
    ) -> (
        SocketAddr,
        impl Stream<Item = io::Result<Self::Theirs>> + Send + 'static,
    ) {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("loopback has a free port");
        let at = tcp.local_addr().expect("it is bound");
        let (links, incoming) = mpsc::channel(BACKLOG);
        tokio::spawn(accept(tcp, self.acceptor.clone(), links));
        (at, ReceiverStream::new(incoming))
    }

    async fn dial(&self, at: SocketAddr) -> io::Result<Self::Ours> {
        let tcp = TcpStream::connect(at).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(TARGET).expect("it is a name");
        self.connector.connect(name, tcp).await
    }
}

/// Shakes hands in a task for each connection, until nobody wants the links.
async fn accept(
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    links: mpsc::Sender<io::Result<server::TlsStream<TcpStream>>>,
) {
    loop {
        let (stream, _) = tokio::select! {
            accepted = tcp.accept() => accepted.expect("there are descriptors left"),
            () = links.closed() => return,
        };
        let (acceptor, links) = (acceptor.clone(), links.clone());
        tokio::spawn(async move {
            let link = match stream.set_nodelay(true) {
                Ok(()) => acceptor.accept(stream).await,
                Err(error) => Err(error),
            };
            // Who no longer listens does not miss it.
            let _ = links.send(link).await;
        });
    }
}

/// A certificate signed by its own key, ECDSA on P-256: what aws-lc is fastest with.
fn certificate(name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec![name.to_owned()]).expect("it is a name");
    (cert.into(), signing_key.into())
}

fn trusting(certificate: &CertificateDer<'static>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("rcgen made it");
    roots
}
