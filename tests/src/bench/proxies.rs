//! haproxy and nginx as WebSocket proxies: one process, one thread, nothing logged, otherwise as they come.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

/// Where a program is that may be outside an ordinary user's path.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// haproxy from `port` to `backend`; with TLS if given a file of certificate and key.
pub(super) fn haproxy(program: &Path, folder: &Path, port: u16, backend: SocketAddr, connections: usize, tls: Option<&Path>) -> Command {
    let tls = tls.map(|file| format!(" ssl crt {}", file.display())).unwrap_or_default();
    let config = format!(
        "global\n    nbthread 1\n    maxconn {connections}\n\
         defaults\n    mode http\n    timeout connect 10s\n    timeout client 1h\n    timeout server 1h\n    timeout tunnel 1h\n\
         frontend front\n    bind 127.0.0.1:{port} backlog 4096{tls}\n    default_backend back\n\
         backend back\n    server load {backend}\n"
    );
    let file = write(folder, "haproxy.cfg", &config);
    let mut command = Command::new(program);
    command.args(["-db", "-q", "-f"]).arg(file);
    command
}

/// nginx from `port` to `backend`.
pub(super) fn nginx(program: &Path, folder: &Path, port: u16, backend: SocketAddr, connections: usize) -> Command {
    let (shown, files) = (folder.display(), 2 * connections + 64);
    // nginx closes connections that have not sent a request yet when fewer than a sixteenth of these are free.
    let most = 3 * connections + 64;
    let config = format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\nworker_rlimit_nofile {files};\npid {shown}/nginx.pid;\nerror_log stderr;\n\
         events {{ worker_connections {most}; }}\n\
         http {{\n    access_log off;\n    client_body_temp_path {shown}/body;\n    proxy_temp_path {shown}/proxy;\n    \
         fastcgi_temp_path {shown}/fastcgi;\n    uwsgi_temp_path {shown}/uwsgi;\n    scgi_temp_path {shown}/scgi;\n    \
         server {{\n        listen 127.0.0.1:{port} backlog=4096;\n        location / {{\n            proxy_pass http://{backend};\n            \
         proxy_http_version 1.1;\n            proxy_set_header Upgrade $http_upgrade;\n            proxy_set_header Connection upgrade;\n            \
         proxy_read_timeout 1h;\n            proxy_send_timeout 1h;\n        }}\n    }}\n}}\n"
    );
    let file = write(folder, "nginx.conf", &config);
    let mut command = Command::new(program);
    command.args(["-e", "stderr", "-p"]).arg(folder).arg("-c").arg(file);
    command
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("a temporary file");
    path
}
