//! `aws sts get-session-token`

use crate::{
    job::{Job, assert_fresh, assert_no_code},
    project::Project,
    server::Server,
    tools,
};

fn aws_gives_a_session() {
    let (job, mut server) = (Job::new("aws"), Server::aws());
    let project = Project::new();
    let aws = tools::python("aws");
    let (serial, url) = ("arn:aws:iam::123456789012:mfa/alice", server.report("url").to_owned());
    let command = [aws.to_str().unwrap(), "sts", "get-session-token", "--serial-number", serial, "--endpoint-url", &url];
    let variables = [("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "example"), ("AWS_DEFAULT_REGION", "us-east-1")];
    let ended = job.approved(&project, &[], &variables, &command);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(ended.stdout.contains("SessionToken"), "{ended:?}");
    let came = server.record();
    assert_eq!((came.len(), came[0].verdict.as_str()), (1, "ok"), "{came:?}");
    assert_eq!(came[0].what, "GetSessionToken arn:aws:iam::123456789012:mfa/alice");
    assert_fresh(&came);
    assert_no_code(&ended, &came);
}

/// All of them.
pub(crate) fn tests() -> Vec<crate::harness::Trial> {
    trials![aws_gives_a_session]
}
