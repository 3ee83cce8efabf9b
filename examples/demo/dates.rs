//! Dates, without asking anybody.

use chrono::TimeDelta;
use regcred_stand_ins::objects::{
    annotated, docker_config, ecr_password, jwt, pull_secret, service_account,
};
use regcred_stand_ins::registry::Behaviour;

use super::{Builder, group, series, step};

impl Builder {
    pub(super) async fn dates(&mut self) {
        let host = self
            .registry(
                Behaviour::basic()
                    .user("AWS", "unused")
                    .manifest("team/app", "1"),
            )
            .await;
        let (past, soon) = (
            self.unix(TimeDelta::hours(-7)),
            self.unix(TimeDelta::days(3)),
        );
        let issued = self.unix(TimeDelta::days(-57));

        let expired = ecr_password(past);
        self.deploy(
            "expired",
            &host,
            &docker_config(&[(&host, "AWS", &expired)]),
        );
        self.case(
            "expired",
            "an ECR token past its date, never sent",
            vec![
                step("expired", "token", "expired"),
                series("credential_valid", "expired", &[], Some(0.0)),
                series(
                    "credential_expiry_timestamp_seconds",
                    "expired",
                    &[],
                    Some(past as f64),
                ),
                series(
                    "credential_skipped",
                    "expired",
                    &[("why", "expired_inside")],
                    Some(1.0),
                ),
            ],
        );

        let token = jwt(Some(soon), Some(issued));
        let jwt_host = self
            .registry(
                Behaviour::bearer()
                    .user("bot", &token)
                    .manifest("team/app", "1"),
            )
            .await;
        self.deploy(
            "expires-soon",
            &jwt_host,
            &docker_config(&[(&jwt_host, "bot", &token)]),
        );
        self.case(
            "expires-soon",
            "a JWT that works for three days more",
            vec![
                series("credential_valid", "expires-soon", &[], Some(1.0)),
                series(
                    "credential_expiry_timestamp_seconds",
                    "expires-soon",
                    &[],
                    Some(soon as f64),
                ),
                series(
                    "credential_issued_timestamp_seconds",
                    "expires-soon",
                    &[],
                    Some(issued as f64),
                ),
                group(
                    "credential_expiry_info",
                    "expires-soon",
                    &[("source", "jwt"), ("confidence", "exact")],
                ),
            ],
        );

        let next_year = self.now + TimeDelta::days(365);
        let declared = docker_config(&[(&jwt_host, "declared", "secret")]);
        let secret = pull_secret("declared-date", "pull", &declared);
        let date = next_year.to_rfc3339();
        self.api
            .apply(annotated(secret, "regcred-exporter.io/expires-at", &date));
        self.api
            .apply(service_account("declared-date", "default", &["pull"]));
        self.case(
            "declared-date",
            "a date declared by annotation, on a wrong password",
            vec![
                series(
                    "credential_expiry_timestamp_seconds",
                    "declared-date",
                    &[],
                    Some(next_year.timestamp() as f64),
                ),
                group(
                    "credential_expiry_info",
                    "declared-date",
                    &[("source", "annotation"), ("confidence", "declared")],
                ),
            ],
        );
    }
}
