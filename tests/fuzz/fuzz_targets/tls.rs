#![no_main]

use std::{fs, sync::OnceLock};

use countersign_relay::fuzzing::{TlsServer, tls};

fn server() -> &'static TlsServer {
    static SERVER: OnceLock<TlsServer> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        fs::write(&cert, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        TlsServer::new(&cert, &key)
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| tls(server(), data));
