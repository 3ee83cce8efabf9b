//! stub
use secrecy::SecretSlice;
/// stub
#[derive(Debug)]
pub struct Credential {
    username: SecretSlice<u8>,
    password: SecretSlice<u8>,
}
impl Credential {
    /// stub
    pub fn basic(username: &[u8], password: &[u8]) -> Self {
        Self {
            username: username.to_vec().into(),
            password: password.to_vec().into(),
        }
    }
    /// stub
    pub fn is_anonymous(&self) -> bool {
        false
    }
    /// stub
    pub fn username(&self) -> &SecretSlice<u8> {
        &self.username
    }
    /// stub
    pub fn password(&self) -> &SecretSlice<u8> {
        &self.password
    }
    /// stub
    pub fn identity_token(&self) -> Option<&SecretSlice<u8>> {
        None
    }
    /// stub
    pub fn registry_token(&self) -> Option<&SecretSlice<u8>> {
        None
    }
}
/// stub
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialId(pub u32);
