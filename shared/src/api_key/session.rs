//! A session: a key that expires soon, and the link that opens the console with it.

use jiff::{SignedDuration, Timestamp};

use super::{ApiKey, KeyGrant, KeyScope};
use crate::names::AccountId;

/// A request for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The account whose webhooks the console shows.
    pub account_id: AccountId,
    /// [`KeyScope::Read`]: the console shows everything and changes nothing.
    pub scope: KeyScope,
    /// How long the key is valid: [`Session::SHORTEST`] to [`Session::LONGEST`].
    pub lifetime: SignedDuration,
}

impl Session {
    /// The shortest session: 15 minutes.
    pub const SHORTEST: SignedDuration = SignedDuration::from_mins(15);
    /// The longest session: 12 hours.
    pub const LONGEST: SignedDuration = SignedDuration::from_hours(12);
    /// The default: an hour.
    pub const DEFAULT: SignedDuration = SignedDuration::from_hours(1);

    /// The grant of the session's key, from now on. `label` says in lists where the key comes from.
    pub fn grant(self, label: &str, now: Timestamp) -> KeyGrant {
        let Self { account_id, scope, lifetime } = self;
        KeyGrant { account_id, label: Some(label.to_owned()), scope, expires_at: Some(now + lifetime) }
    }

    /// The link that opens the console with this key. The key is in the fragment, which browsers send to no server.
    /// `api_url` is the API's address, without a slash at its end.
    pub fn link(api_url: &str, key: &ApiKey) -> String {
        format!("{api_url}/console#key={}", key.reveal())
    }
}
