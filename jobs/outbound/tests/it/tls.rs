//! Certificates: the right one, and the wrong ones.

use std::sync::Arc;

use jobs_outbound::{Cause, Error, Failure, Method, Outbound, OutboundConfig, Request};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::{FRIEND, asking, config, names::Names, receiver::Receiver};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Issuer {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server with a certificate for `name`, which was valid until `until` (a year).
async fn server(authority: &Issuer, name: &str, until: i32) -> Receiver {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let certificate = params.signed_by(&key, authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Receiver::raw((FRIEND, 0).into(), move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut buffer = [0; 4_096];
            while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecure").await.unwrap();
            }
        }
    })
    .await
}

async fn client(authority: &Issuer) -> (Outbound, Names) {
    let names = Names::serve(&[("right.test", &[&["127.0.0.2"]]), ("wrong.test", &[&["127.0.0.2"]])]).await;
    let authorities = vec![authority.der().clone()];
    (asking(names.address, OutboundConfig { authorities, ..config() }), names)
}

fn url(name: &str, server: &Receiver) -> Request {
    Request::new(Method::GET, format!("https://{name}:{}/", server.address.port()))
}

fn said(result: Result<jobs_outbound::Answer, Error>) -> String {
    match result.err().unwrap().cause {
        Cause::Failed(Failure::Tls(said)) => said,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_for_the_name_is_accepted_and_the_handshake_timed() {
    let authority = authority();
    let (server, (outbound, _names)) = (server(&authority, "right.test", 2_100).await, client(&authority).await);
    for name in ["right.test", "RIGHT.test."] {
        let mut answer = outbound.send(url(name, &server)).await.unwrap();
        assert_eq!(answer.body.all().await.unwrap(), "secure");
        let timings = answer.timings;
        assert!(timings.dns.is_some() && timings.connect.is_some() && timings.tls.is_some(), "{timings:?}");
    }
}

#[tokio::test]
async fn certificates_of_others_are_refused() {
    let authority = authority();
    let (outbound, _names) = client(&authority).await;

    let other_name = server(&authority, "right.test", 2_100).await;
    let name = said(outbound.send(url("wrong.test", &other_name)).await);
    assert!(name.contains("not valid for name"), "{name}");
    let address = said(outbound.send(url("127.0.0.2", &other_name)).await);
    assert!(address.contains("not valid for name"), "{address}");

    let expired = server(&authority, "right.test", 2_000).await;
    let said_expired = said(outbound.send(url("right.test", &expired)).await);
    assert!(said_expired.contains("expired"), "{said_expired}");

    let stranger = server(&self::authority(), "right.test", 2_100).await;
    assert!(!said(outbound.send(url("right.test", &stranger)).await).is_empty());

    let plain = Receiver::answering(FRIEND, |_| String::new()).await;
    assert!(outbound.send(url("right.test", &plain)).await.is_err());
}
