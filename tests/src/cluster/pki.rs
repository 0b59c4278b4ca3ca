//! Certificates of a cluster: one authority, a server certificate of the API server, and a client certificate for each
//! who asks it something. Keys are made anew for each cluster, and go with it.

use super::names::Names;
use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use serde_json::{Value, json};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

/// The authority of a cluster, with what it signed as files in a folder.
#[derive(Debug)]
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

/// A certificate and its key, both PEM.
struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    /// Makes the authority, and in `directory` the files `ca.crt`, `service-account.{key,pub}`, `api-server.{crt,key}` and
    /// `kubelet-client.{crt,key}`, which the API server shows to kubelets.
    pub(super) fn new(directory: &Path, names: Names) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = subject("netwright-test-ca", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let authority = Self { issuer, directory: directory.to_owned() };
        authority.write("ca.crt", &authority.issuer.pem())?;
        let account = KeyPair::generate()?;
        authority.write("service-account.key", &account.serialize_pem())?;
        authority.write("service-account.pub", &account.public_key_pem())?;
        authority.keep("api-server", &authority.server(names)?)?;
        authority
            .keep("kubelet-client", &authority.client("kube-apiserver-kubelet-client", Some("system:masters"))?)?;
        Ok(authority)
    }

    /// The path of one of the files.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A kubeconfig, as JSON, which is YAML too: `server` is a URL, `user` and `group` are who the bearer is.
    pub(super) fn kubeconfig(&self, server: &str, user: &str, group: Option<&str>) -> Result<String> {
        let identity = self.client(user, group)?;
        let data = |pem: &str| Value::String(BASE64_STANDARD.encode(pem));
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "netwright-test", "cluster": {
                "server": server, "certificate-authority-data": data(&self.issuer.pem())}}],
            "users": [{"name": user, "user": {
                "client-certificate-data": data(&identity.certificate), "client-key-data": data(&identity.key)}}],
            "contexts": [{"name": "netwright-test", "context": {"cluster": "netwright-test", "user": user}}],
            "current-context": "netwright-test",
        });
        Ok(serde_json::to_string_pretty(&config)?)
    }

    fn client(&self, user: &str, group: Option<&str>) -> Result<Identity> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = subject(user, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn server(&self, names: Names) -> Result<Identity> {
        let service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(String::from);
        let mut params =
            CertificateParams::new([&service[..], &["kubernetes.default.svc.cluster.local".into()]].concat())?;
        params.distinguished_name = subject("kube-apiserver", None);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let addresses = [Ipv4Addr::LOCALHOST, names.control_address(), names.kubernetes_service()];
        params.subject_alt_names.extend(addresses.map(|address| SanType::IpAddress(IpAddr::V4(address))));
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Identity> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    fn keep(&self, name: &str, identity: &Identity) -> Result<()> {
        self.write(&format!("{name}.crt"), &identity.certificate)?;
        self.write(&format!("{name}.key"), &identity.key)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.file(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }
}

/// A subject as Kubernetes reads it: the common name is the user, the organisation a group.
fn subject(user: &str, group: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();

    if let Some(group) = group {
        name.push(DnType::OrganizationName, group);
    }
    name.push(DnType::CommonName, user);
    name
}
