//! Ctrl-C: who follows something is told and ends in its own way; otherwise the program ends with 130. An open way
//! through ssh is closed in both cases.

use crate::exit::Exit;
use std::process::Child;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, Once, PoisonError};

static LISTENER: Mutex<Option<Sender<()>>> = Mutex::new(None);
static WAY: Mutex<Option<Child>> = Mutex::new(None);
static INSTALLED: Once = Once::new();

/// Sends one word to `listener` at the first Ctrl-C. The second ends the program.
pub fn listen(listener: Sender<()>) {
    *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
    install();
}

/// Keeps a child process until [`close_way`] or until the program is ended from outside.
pub fn keep_way(child: Child) {
    *WAY.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    install();
}

/// Ends the kept child process.
pub fn close_way() {
    if let Some(mut child) = WAY.lock().unwrap_or_else(PoisonError::into_inner).take() {
        drop(child.kill());
        drop(child.wait());
    }
}

fn install() {
    // Where no handler can be set, Ctrl-C ends the program as it would any other.
    INSTALLED.call_once(|| drop(ctrlc::set_handler(interrupted)));
}

fn interrupted() {
    let listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner).take();
    if listener.is_some_and(|listener| listener.send(()).is_ok()) {
        return;
    }
    close_way();
    std::process::exit(i32::from(Exit::Interrupted.number()));
}
