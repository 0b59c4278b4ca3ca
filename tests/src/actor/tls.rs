//! TLS roles: HTTP over TLS. Certificates are made at the start and nobody checks them: what is seen of a connection
//! does not depend on who signed.

use super::Options;
use super::pace::Pace;
use super::tcp::{self, answer_http, connect, request_http};
use anyhow::{Context, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, ServerConfig, ServerConnection, SignatureScheme,
    StreamOwned,
};
use std::sync::Arc;

/// Answers every request with a short page and closes.
pub(super) fn serve(options: &Options) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(["server".to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())?;
    let config = Arc::new(config);
    tcp::serve(options, move |stream| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config))?, stream);
        answer_http(&mut stream)?;
        stream.conn.send_close_notify();
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(())
    })
}

/// Opens a connection for each request, with the host of `to=` as the name of the server.
pub(super) fn call(options: &Options) -> Result<()> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    let config = Arc::new(config);
    Pace::new(options)?.run(|| {
        let name = ServerName::try_from(options.target()?.0.to_owned()).context("the name of the server")?;
        let stream = connect(options.server()?)?;
        request_http(&mut StreamOwned::new(ClientConnection::new(Arc::clone(&config), name)?, stream))
    })
}

/// Takes any certificate.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
