//! Certificates that change while connections are served.

use crate::client::{LIMITS, NAME, Served, connect, put};
use crate::segment::segment;
use netwright_collector::tls::Files;
use rcgen::{CertificateParams, KeyPair};
use std::fs;

/// A certificate that is its own authority, and its key.
fn certificate() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_change_are_used_from_the_next_handshake_on() {
    let served = Served::start(LIMITS).await;
    let [certificate_file, key_file] = ["tls.crt", "tls.key"].map(|name| served.folder.path().join(name));
    let mut files = Files::new(certificate_file.clone(), key_file.clone());
    assert!(format!("{:#}", files.refresh(&served.current).unwrap_err()).contains("tls.crt"));

    let first = certificate();
    fs::write(&certificate_file, &first.0).unwrap();
    fs::write(&key_file, &first.1).unwrap();
    assert!(files.refresh(&served.current).unwrap().is_some());
    assert!(files.refresh(&served.current).unwrap().is_none(), "nothing changed");
    let before = connect(served.address, &first.0).await.unwrap();
    assert!(connect(served.address, &served.authorities).await.is_err(), "it is another certificate now");

    let second = certificate();
    fs::write(&certificate_file, &second.0).unwrap();
    let error = format!("{:#}", files.refresh(&served.current).unwrap_err());
    assert!(error.contains("do not belong together") && !error.contains("BEGIN"), "{error}");
    assert!(connect(served.address, &first.0).await.is_ok(), "what was in use stays");
    fs::write(&key_file, &second.1).unwrap();
    assert!(files.refresh(&served.current).unwrap().is_some());
    assert!(connect(served.address, &second.0).await.is_ok() && connect(served.address, &first.0).await.is_err());

    let token = Some("netwright-agent:n1");
    let (status, text) = put(before, "/v1/segments/n1/r1/0", token, &segment("n1", "r1", 0, 1)).await.unwrap();
    assert_eq!(status, 200, "a connection goes on: {text}");
}
