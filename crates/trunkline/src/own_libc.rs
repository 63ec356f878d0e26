//! What a program has to see to itself that brings its own C library (`cargo xtask dist` links glibc in).

/// Keeps lookups to files and DNS. What else `/etc/nsswitch.conf` names are modules made for the machine's own C library: a
/// static program that loads one of them crashes, or is at its mercy. Called before any thread starts.
#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
pub use linked_in::pin_lookups;

/// A program that loads the machine's C library may load its modules too.
#[cfg(not(all(target_env = "gnu", target_feature = "crt-static")))]
pub fn pin_lookups() {}

#[cfg(all(target_env = "gnu", target_feature = "crt-static"))]
#[allow(unsafe_code)]
mod linked_in {
    use std::ffi::{c_char, c_int, c_void};

    unsafe extern "C" {
        /// Of glibc: sets the sources of a database in place of those in `/etc/nsswitch.conf`.
        fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
        fn posix_spawn_file_actions_addchdir_np(actions: *mut c_void, path: *const c_char) -> c_int;
    }

    /// Rust's library starts a process in another folder by `posix_spawn` where the C library has this function, and by a
    /// `fork` where it has not. It asks by a weak reference, for which a linker takes nothing out of a static library: this
    /// is the strong one. By `fork`, a great number of short jobs takes twice as long.
    #[used]
    static WANTED: unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int = posix_spawn_file_actions_addchdir_np;

    pub fn pin_lookups() {
        let own = [(c"passwd", c"files"), (c"group", c"files"), (c"services", c"files"), (c"hosts", c"files dns")];
        for (database, services) in own {
            // SAFETY: both are texts that end in NUL; glibc copies what it keeps.
            unsafe { __nss_configure_lookup(database.as_ptr(), services.as_ptr()) };
        }
    }
}
