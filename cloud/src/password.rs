//! Passwords of people: argon2id (RFC 9106), its cost named once, for the command line and the login
//! page alike.

use std::sync::{Mutex, PoisonError};

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use ring::rand::{SecureRandom, SystemRandom};

/// Memory that one hash takes, KiB.
const MEMORY_KIB: u32 = 19 * 1024;

/// Passes over that memory.
const PASSES: u32 = 2;

/// Fewest characters of a password.
pub const MIN_CHARS: usize = 10;

/// Most bytes of a password: longer ones cost time and add nothing.
pub const MAX_BYTES: usize = 1024;

/// One hash at a time: a crowd at the login page takes time, not memory.
static GATE: Mutex<()> = Mutex::new(());

/// Hashes a password that [`check`] allows; the text is a PHC string with its own salt.
///
/// # Errors
/// One sentence, when the system has no random bytes or no memory.
pub fn hash(password: &str) -> Result<String, String> {
    let mut salt = [0; 16];
    SystemRandom::new().fill(&mut salt).map_err(|_| "the system gives no random bytes")?;
    let salt = SaltString::encode_b64(&salt).map_err(|error| error.to_string())?;
    let _turn = GATE.lock().unwrap_or_else(PoisonError::into_inner);
    let hash = argon2()?
        .hash_password(password.as_bytes(), &salt)
        .map_err(|error| format!("the password could not be hashed: {error}"))?;
    Ok(hash.to_string())
}

/// Whether `password` is the one that `hash` was made from.
///
/// The cost is the one written in `hash`. A login without a user should be checked against
/// [`NOBODY`], so that it takes as long.
#[must_use]
pub fn verify(password: &str, hash: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(hash) else {
        return false;
    };
    if password.len() > MAX_BYTES {
        return false;
    }
    let _turn = GATE.lock().unwrap_or_else(PoisonError::into_inner);
    argon2().is_ok_and(|argon2| argon2.verify_password(password.as_bytes(), &parsed).is_ok())
}

/// A hash of the present cost that no password fits.
pub const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                          AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whether a person may choose this password.
///
/// # Errors
/// One sentence that says what to change.
pub fn check(password: &str) -> Result<(), String> {
    if password.chars().count() < MIN_CHARS {
        return Err(format!("a password has at least {MIN_CHARS} characters"));
    }
    if password.len() > MAX_BYTES {
        return Err(format!("a password has at most {MAX_BYTES} bytes"));
    }
    Ok(())
}

/// A new random password: 20 letters and digits, 100 bits.
///
/// # Errors
/// One sentence, when the system has no random bytes.
pub fn generate() -> Result<String, String> {
    let mut bytes = [0; 20];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the system gives no random bytes")?;
    // 32 signs, so that five bits choose one; none that is mistaken for another.
    let signs = b"abcdefghjkmnpqrstuvwxyz234567890";
    Ok(bytes.iter().map(|byte| char::from(signs[usize::from(byte % 32)])).collect())
}

fn argon2() -> Result<Argon2<'static>, String> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| error.to_string())?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_fits_its_hash() {
        let password = generate().expect("random bytes");
        let stored = hash(&password).expect("hashes");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify(&password, &stored));
        assert!(!verify("wrong password", &stored));
        assert!(!verify(&password, "no hash at all"));
    }

    #[test]
    fn nobody_has_a_password_and_costs_as_much() {
        let parsed = PasswordHash::new(NOBODY).expect("a PHC string");
        let params = Params::try_from(&parsed).expect("its cost");
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (MEMORY_KIB, PASSES, 1));
        assert!(!verify("", NOBODY));
    }

    #[test]
    fn a_password_has_bounds() {
        assert!(check("123456789").is_err());
        assert!(check("1234567890").is_ok());
        assert!(check(&"x".repeat(MAX_BYTES + 1)).is_err());
        assert!(!verify(&"x".repeat(MAX_BYTES + 1), NOBODY));
    }
}
