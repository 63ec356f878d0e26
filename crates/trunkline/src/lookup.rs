//! How names of hosts and users are found by a program that brings its own C library.

/// Keeps lookups to files and DNS. What else `/etc/nsswitch.conf` names are modules made for the machine's own C library: a
/// static program that loads one of them crashes, or is at its mercy. Called before any thread starts.
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
#[allow(unsafe_code)]
pub fn pin() {
    use std::ffi::{c_char, c_int};
    unsafe extern "C" {
        /// Of glibc: sets the sources of a database in place of those in `/etc/nsswitch.conf`.
        fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
    }
    let own = [(c"passwd", c"files"), (c"group", c"files"), (c"services", c"files"), (c"hosts", c"files dns")];
    for (database, services) in own {
        // SAFETY: both are texts that end in NUL; glibc copies what it keeps.
        unsafe { __nss_configure_lookup(database.as_ptr(), services.as_ptr()) };
    }
}

/// A program that loads the machine's C library may load its modules too.
#[cfg(not(all(target_env = "gnu", target_feature = "crt-static")))]
pub fn pin() {}
