//! What a whole conversation told of quotas.

use super::{Limited, Payer, Quota, QuotaNews};
use crate::domain::exchange::{Exchange, Phrase, Purpose, Response};

/// Where a quota is looked for: what a manifest says limits pulls, what a token endpoint says may.
/// A ping's quota would be one of pings.
const TELLING: [Purpose; 6] = [
    Purpose::Get,
    Purpose::Head,
    Purpose::AnonymousHead,
    Purpose::ScopedToken,
    Purpose::AnonymousToken,
    Purpose::Login,
];

/// Of each payer that was answered. A lockout tells nothing of quotas, whatever stands beside it.
pub fn news(exchange: &Exchange, is_lockout: impl Fn(&Response) -> bool) -> Vec<QuotaNews> {
    let of = |payer: Payer| -> Option<QuotaNews> {
        let mut answers: Vec<(Purpose, &Response)> = Vec::new();
        for asked in &exchange.asked {
            match &asked.answer {
                Ok(answer) if answer.rate_limit.payer == payer => {
                    answers.push((asked.purpose, answer));
                }
                Ok(_) | Err(_) => {}
            }
        }
        let (_, last) = answers.last().filter(|(_, answer)| !is_lockout(answer))?;
        Some(QuotaNews {
            payer,
            quotas: quotas(&answers),
            limited: limited(last),
            only_ping: answers
                .iter()
                .all(|(purpose, _)| *purpose == Purpose::AnonymousPing),
        })
    };
    [Payer::Address, Payer::Login]
        .into_iter()
        .filter_map(of)
        .collect()
}

/// The newest of the most telling ones.
fn quotas(answers: &[(Purpose, &Response)]) -> Vec<Quota> {
    let newest = |wanted: &Purpose| {
        let mut of_purpose = answers
            .iter()
            .rev()
            .filter(|(purpose, _)| purpose == wanted)
            .map(|(_, answer)| &answer.rate_limit.quotas);
        of_purpose.find(|quotas| !quotas.is_empty())
    };
    TELLING.iter().find_map(newest).cloned().unwrap_or_default()
}

fn limited(last: &Response) -> Option<Limited> {
    (last.status == 429).then(|| Limited {
        names_quota: last.phrases.contains(&Phrase::PullLimit),
        retry_after: last.retry_after,
    })
}
