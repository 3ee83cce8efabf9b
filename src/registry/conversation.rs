//! The conversation: who is asked what, in which order, and with which credential.
//!
//! 1. `GET /v2/` without a credential: is it there, is it a registry, how does it want to be asked?
//! 2. The login: for Bearer the token endpoint **without a scope** (with one, Harbor gives wrong
//!    passwords an anonymous token), for Basic `GET /v2/` again.
//! 3. If that worked, `HEAD` of each manifest, for Bearer with a token of its own scope; `GET` where
//!    [`manifest_request`] says so.
//!
//! Without a credential there is no login, and 3 is asked for nobody.
//!
//! One GET where containerd sends a POST first: each of its attempts with a wrong password counts
//! as two failed logins.

mod asks;

use std::ops::ControlFlow;

use reqwest::Method;
use reqwest::header::HeaderValue;
use tokio_util::sync::CancellationToken;

use super::client::bearer;
use super::transport::{Answer, Ask, Transport};
use crate::domain::challenge::{Challenge, Realm, Scheme};
use crate::domain::exchange::{
    Asked, ChallengeFault, Exchange, Manifest, NetworkFault, Purpose, Response, Step, TlsFault,
};
use crate::domain::image::Registry;
use crate::domain::manifest_request;
use crate::domain::policy::Policy;

/// Some registries count a 401 as a wrong login whatever was asked for, and fifty manifests would be
/// fifty of them. The first is followed by another question, since it may be this repository's alone.
const MOST_REFUSED: u32 = 2;

/// A conversation under way.
pub(super) struct Conversation<'a> {
    policy: &'a Policy,
    transport: Transport,
    registry: &'a Registry,
    in_use: bool,
    plain: bool,
    asked: Vec<Asked>,
    /// How often the credential itself was answered with 401 after its login had worked.
    refused: u32,
    stop: CancellationToken,
}

/// How the registry wants to be asked.
enum Way {
    /// Without anything, so far.
    Open,
    /// User name and password.
    Basic,
    /// A token from here.
    Bearer {
        realm: Realm,
        service: Option<String>,
    },
}

/// The conversation ends here.
pub(super) type Flow<T = ()> = ControlFlow<(), T>;

impl<'a> Conversation<'a> {
    pub(super) fn new(
        transport: Transport,
        policy: &'a Policy,
        registry: &'a Registry,
        in_use: bool,
    ) -> Self {
        Self {
            policy,
            transport,
            registry,
            in_use,
            plain: false,
            asked: Vec::new(),
            refused: 0,
            stop: CancellationToken::new(),
        }
    }

    /// Sends nothing more once this is cancelled.
    pub(super) fn until(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    pub(super) fn end(self) -> Exchange {
        Exchange {
            registry: self.registry.clone(),
            asked: self.asked,
            certificates: self.transport.certificates(),
            took: self.transport.took(),
        }
    }

    pub(super) async fn hold(
        &mut self,
        basic: Option<HeaderValue>,
        manifests: &[Manifest],
    ) -> Flow {
        let Some(ping) = self.ping().await else {
            return Flow::Break(());
        };
        let mut way = match ping.status {
            // A captive portal answers 200 to everything, manifests included.
            200 if !ping.speaks_registry => return Flow::Break(()),
            // Asks for nothing here: any login would do. Its manifests may still be guarded.
            200 => Way::Open,
            401 => self.way(&ping.challenges, basic.is_some())?,
            _ => return Flow::Break(()),
        };
        if let Some(basic) = &basic {
            self.go_on_unless_stopped()?;
            self.log_in(&way, basic).await?;
        }
        for manifest in manifests {
            self.go_on_unless_stopped()?;
            let answer = self.ask_for(manifest, &way, basic.as_ref()).await?;
            let is_guarded = |answer: &Response| matches!(way, Way::Open) && answer.status == 401;
            match (answer.filter(is_guarded), &basic) {
                (Some(guarded), Some(basic)) => {
                    way = self.way(&guarded.challenges, true)?;
                    self.ask_guarded(manifest, &way, basic).await?;
                }
                (Some(guarded), None) => {
                    self.ask_guarded_for_nobody(manifest, &guarded).await?;
                }
                (None, _) => {}
            }
        }
        Flow::Continue(())
    }

    /// The anonymous ping, over TLS but where policy names the host for plain HTTP. On loopback it
    /// is asked again without TLS if it turns out not to speak it, as containerd does.
    pub(super) async fn ping(&mut self) -> Option<Response> {
        self.plain = match self.base() {
            Ok((_, contact)) => self.policy.is_plain_http(&contact),
            Err(_) => false,
        };
        let answer = self.get_v2(Purpose::AnonymousPing, None).await;
        let speaks_plain = Err(NetworkFault::Tls(TlsFault::PlainHttp));
        let answer = answer.map(|answer| answer.response);
        let may_fall_back = answer == speaks_plain
            && self
                .base()
                .is_ok_and(|(_, contact)| self.policy.may_fall_back(&contact));
        if !may_fall_back {
            return answer.ok();
        }
        self.plain = true;
        let answer = self.get_v2(Purpose::AnonymousPing, None).await;
        answer.map(|answer| answer.response).ok()
    }

    async fn log_in(&mut self, way: &Way, basic: &HeaderValue) -> Flow {
        match way {
            Way::Open => Flow::Continue(()),
            Way::Basic => {
                let answer = self.get_v2(Purpose::Login, Some(basic)).await;
                go_on_if(answer.is_ok_and(|answer| answer.response.status == 200))
            }
            Way::Bearer { realm, service } => {
                let ask = self.ask_for_token(realm, service.as_deref(), None, Some(basic));
                let answer = self.send(Purpose::Login, None, ask).await;
                go_on_if(answer.is_ok_and(|answer| answer.token.is_some()))
            }
        }
    }

    /// Asks again for a manifest that an otherwise open registry guards. With Basic this is the
    /// login too, since `/v2/` takes any: refused once, it is not sent again.
    async fn ask_guarded(&mut self, manifest: &Manifest, way: &Way, basic: &HeaderValue) -> Flow {
        self.go_on_unless_stopped()?;
        if matches!(way, Way::Bearer { .. }) {
            self.log_in(way, basic).await?;
        }
        let answer = self.ask_for(manifest, way, Some(basic)).await?;
        let is_refused = answer.is_some_and(|answer| answer.status == 401);
        go_on_if(!(matches!(way, Way::Basic) && is_refused))
    }

    /// The same for nobody: a token server may have a token for everybody.
    async fn ask_guarded_for_nobody(&mut self, manifest: &Manifest, guarded: &Response) -> Flow {
        if let Ok(bearer @ Way::Bearer { .. }) = way(&guarded.challenges) {
            self.ask_for(manifest, &bearer, None).await?;
        }
        Flow::Continue(())
    }

    /// Asks for one manifest; no answer where there was no token to ask with.
    async fn ask_for(
        &mut self,
        manifest: &Manifest,
        way: &Way,
        basic: Option<&HeaderValue>,
    ) -> Flow<Option<Response>> {
        let (for_token, for_head) = match basic {
            Some(_) => (Purpose::ScopedToken, Purpose::Head),
            None => (Purpose::AnonymousToken, Purpose::AnonymousHead),
        };
        let authorization = match way {
            Way::Open => None,
            Way::Basic => basic.cloned(),
            Way::Bearer { realm, service } => {
                let scope = format!("repository:{}:pull", manifest.repository);
                let ask = self.ask_for_token(realm, service.as_deref(), Some(&scope), basic);
                let answer = self.send(for_token, Some(manifest), ask).await;
                let answer = go_on(answer)?;
                if basic.is_some() {
                    self.go_on_unless_refused(&answer.response)?;
                }
                match answer.token.as_ref().and_then(bearer) {
                    Some(bearer) => Some(bearer),
                    None => return Flow::Continue(None),
                }
            }
        };
        let purpose = match for_head {
            Purpose::Head => manifest_request::next(self.registry, &self.asked),
            for_nobody => for_nobody,
        };
        self.go_on_unless_stopped()?;
        let shows_login = basic.is_some() && matches!(way, Way::Basic);
        let mut answer = self.read(purpose, manifest, authorization.clone()).await?;
        if shows_login {
            self.go_on_unless_refused(&answer)?;
        }
        if manifest_request::is_get_due(self.registry, &self.asked) {
            self.go_on_unless_stopped()?;
            answer = self.read(Purpose::Get, manifest, authorization).await?;
            if shows_login {
                self.go_on_unless_refused(&answer)?;
            }
        }
        Flow::Continue(Some(answer))
    }

    fn go_on_unless_stopped(&self) -> Flow {
        go_on_if(!self.stop.is_cancelled())
    }

    fn go_on_unless_refused(&mut self, answer: &Response) -> Flow {
        self.refused += u32::from(answer.status == 401);
        go_on_if(self.refused < MOST_REFUSED)
    }

    /// One `HEAD` or `GET` of a manifest.
    async fn read(
        &mut self,
        purpose: Purpose,
        manifest: &Manifest,
        authorization: Option<HeaderValue>,
    ) -> Flow<Response> {
        let method = match purpose {
            Purpose::Get => Method::GET,
            _ => Method::HEAD,
        };
        let ask = self.ask_manifest(method, manifest, authorization);
        let answer = go_on(self.send(purpose, Some(manifest), ask).await)?;
        Flow::Continue(answer.response)
    }

    /// Reads the challenge that is followed. What cannot be followed is noted where it hurts: the
    /// login, if there is one to be sent.
    fn way(&mut self, challenges: &[Challenge], has_login: bool) -> Flow<Way> {
        match way(challenges) {
            Ok(way) => Flow::Continue(way),
            Err(fault) => {
                if has_login {
                    self.note(Purpose::Login, None, Err(NetworkFault::Challenge(fault)));
                }
                Flow::Break(())
            }
        }
    }

    async fn get_v2(
        &mut self,
        purpose: Purpose,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, NetworkFault> {
        let ask = self.base().map(|(url, contact)| Ask {
            method: Method::GET,
            url,
            contact,
            accept: None,
            authorization: authorization.cloned(),
            wants_token: false,
        });
        self.send(purpose, None, ask).await
    }

    async fn send(
        &mut self,
        purpose: Purpose,
        manifest: Option<&Manifest>,
        ask: Result<Ask, NetworkFault>,
    ) -> Result<Answer, NetworkFault> {
        let answer = match ask {
            Ok(ask) => self.transport.send(ask).await,
            Err(fault) => Err(fault),
        };
        let facts = match &answer {
            Ok(answer) => Ok(answer.response.clone()),
            Err(fault) => Err(*fault),
        };
        self.note(purpose, manifest, facts);
        answer
    }

    fn note(
        &mut self,
        purpose: Purpose,
        manifest: Option<&Manifest>,
        answer: Result<Response, NetworkFault>,
    ) {
        self.asked.push(Asked {
            step: match purpose {
                Purpose::AnonymousPing => Step::Ping,
                Purpose::Login => Step::Token,
                Purpose::ScopedToken
                | Purpose::Head
                | Purpose::Get
                | Purpose::AnonymousToken
                | Purpose::AnonymousHead => Step::Manifest,
            },
            manifest: manifest.cloned(),
            purpose,
            answer,
        });
    }
}

fn way(challenges: &[Challenge]) -> Result<Way, ChallengeFault> {
    let Some(challenge) = Challenge::followed(challenges) else {
        return Err(match challenges {
            [] => ChallengeFault::Missing,
            _ => ChallengeFault::UnsupportedScheme,
        });
    };
    match challenge.scheme {
        Scheme::Basic => Ok(Way::Basic),
        Scheme::Other => Err(ChallengeFault::UnsupportedScheme),
        Scheme::Bearer => {
            let realm = challenge.realm.as_deref().unwrap_or_default();
            let realm = Realm::parse(realm).map_err(|_| ChallengeFault::InvalidRealm)?;
            Ok(Way::Bearer {
                realm,
                service: challenge.service.clone(),
            })
        }
    }
}

fn go_on_if(condition: bool) -> Flow {
    match condition {
        true => Flow::Continue(()),
        false => Flow::Break(()),
    }
}

/// A registry that cannot be reached, or has enough of us, is not asked for fifty manifests more.
fn go_on(answer: Result<Answer, NetworkFault>) -> Flow<Answer> {
    match answer {
        Ok(answer) if !matches!(answer.response.status, 429 | 503) => Flow::Continue(answer),
        Ok(_) | Err(_) => Flow::Break(()),
    }
}
