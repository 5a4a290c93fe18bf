//! Who is at the other end of a socket: a key in the request for it or in its first message, and looked at again and again, so that
//! one that was revoked closes what it opened.

use std::{net::IpAddr, time::Duration};

use axum::{
    extract::ws::Message,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
};
use tokio::time::timeout;

use super::{
    inbound::Inbound,
    outbound::{self, Close, Outbound},
    route::PATH,
    wire::{Over, Wire},
};
use crate::{
    app::App,
    caller::Caller,
    problem::{Code, Problem},
    rate::{Class, Who},
};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// The first message comes within this.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a client showed to be let in.
pub(super) struct Guest {
    /// As headers of a request.
    shown: HeaderMap,
    /// Where it is, for counting keys that open nothing.
    address: IpAddr,
}

impl Guest {
    /// Of the request for the socket.
    pub(super) fn of(headers: &HeaderMap, address: IpAddr) -> Self {
        let keys = headers.iter().filter(|(name, _)| *name == header::AUTHORIZATION || *name == API_KEY);
        Self { shown: keys.map(|(name, value)| (name.clone(), value.clone())).collect(), address }
    }

    /// Who it is; asks for a key if none came with the request.
    pub(super) async fn caller(&mut self, app: &App, wire: &mut Wire) -> Result<Caller, Over> {
        if let Some(caller) = self.look(app, wire).await? {
            return Ok(caller);
        }
        let unauthorized = Over(Some(Close::Unauthorized));
        let first = timeout(PATIENCE, async {
            loop {
                match wire.web.recv().await {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => return other,
                }
            }
        });
        let Ok(Some(Ok(Message::Text(text)))) = first.await else { return Err(unauthorized) };
        let Ok(Inbound::Auth { key }) = Inbound::read(&text) else { return Err(unauthorized) };
        let Ok(key) = HeaderValue::from_str(&key) else { return Err(unauthorized) };
        self.shown.insert(API_KEY, key);
        let caller = self.look(app, wire).await?.ok_or(unauthorized)?;
        wire.send(Outbound::Authenticated.message()).await?;
        Ok(caller)
    }

    /// Who it is now; nothing when it has shown nothing.
    pub(super) async fn look(&self, app: &App, wire: &mut Wire) -> Result<Option<Caller>, Over> {
        let mut problem = match app.access.admit(app.access.gate(&Method::GET, PATH), &self.shown).await {
            Ok(caller) => return Ok(caller),
            Err(problem) => problem,
        };
        // Who makes up keys is a stranger here as well.
        if problem.code == Code::Unauthorized {
            let rates = app.policies.of(Class::Strangers);
            let counted = app.limiter.take(&Who::Address(self.address), Class::Strangers, rates).await;
            problem = counted.err().unwrap_or(problem);
        }
        let close = Self::close(&problem);
        wire.send(outbound::error(None, None, &problem)).await?;
        Err(Over(Some(close)))
    }

    fn close(problem: &Problem) -> Close {
        match problem.code {
            Code::InsufficientScope => Close::Forbidden,
            // It cannot be looked at now: it may be good.
            Code::Unavailable => Close::GoingAway,
            _ => Close::Unauthorized,
        }
    }
}
