//! The table of routes: it makes the router, and the document of the API is read from it. What the document says of a
//! route comes from its handler's signature, so that neither can be changed without the other.

use super::sketch::Sketch;
use crate::access::{Gate, Level};
use crate::shared::Shared;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Router};
use std::sync::Arc;

/// One method of one path.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with names in braces.
    pub path: String,
    /// The least that a caller must be; none: open to everyone.
    pub needs: Option<Level>,
    /// How long its body may be.
    pub body: BodyMax,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// The handler's name, which is the operation's name in the document.
    pub name: &'static str,
    /// Says what the handler takes and answers.
    pub describe: fn(&mut Sketch<'_>),
}

/// How long a body may be. What reads it finds this beside the request, and says it.
#[derive(Clone, Copy, Debug)]
pub enum BodyMax {
    /// So many bytes.
    Bytes(usize),
    /// So many bytes, which the handler reads and counts as they come.
    Counted(u64),
}

/// A piece of a handler's signature, as the document tells it.
pub trait Describe {
    /// Adds what a caller must know of it.
    fn describe(sketch: &mut Sketch<'_>);
}

/// A handler whose every piece can be described and whose first argument is a gate. `D` is the tuple of its arguments, so
/// that the compiler tells handlers apart. A handler without a gate does not get into the table.
pub trait Described<D> {
    /// What the gate demands.
    const NEEDS: Option<Level>;

    /// Describes every piece.
    fn describe(sketch: &mut Sketch<'_>);
}

macro_rules! described {
    ($($piece:ident)*) => {
        impl<F, G, R, Told, $($piece,)*> Described<(G, $($piece,)*)> for F
        where
            F: Fn(G, $($piece,)*) -> R,
            R: Future<Output = Told>,
            Told: Describe,
            G: Gate + Describe,
            $($piece: Describe,)*
        {
            const NEEDS: Option<Level> = G::NEEDS;

            fn describe(sketch: &mut Sketch<'_>) {
                G::describe(sketch);
                $($piece::describe(sketch);)*
                Told::describe(sketch);
            }
        }
    };
}

described!();
described!(A);
described!(A B);
described!(A B C);
described!(A B C D);

impl<T: Describe, E: Describe> Describe for Result<T, E> {
    fn describe(sketch: &mut Sketch<'_>) {
        T::describe(sketch);
        E::describe(sketch);
    }
}

/// Routes, as a router and as a list.
pub struct Table {
    prefix: &'static str,
    router: Router<Arc<Shared>>,
    routes: Vec<Route>,
}

impl Table {
    /// An empty table of what lies below this path.
    pub fn below(prefix: &'static str) -> Self {
        Self { prefix, router: Router::new(), routes: Vec::new() }
    }

    /// With a route for reading.
    pub fn get<H, T, D>(self, path: &str, handler: H, summary: &'static str) -> Self
    where
        H: Handler<T, Arc<Shared>> + Described<D>,
        T: 'static,
    {
        self.route((Method::GET, path), handler, summary, BodyMax::Bytes(SMALL_BODY_BYTES_MAX))
    }

    /// With a route for acting.
    pub fn post<H, T, D>(self, path: &str, handler: H, summary: &'static str) -> Self
    where
        H: Handler<T, Arc<Shared>> + Described<D>,
        T: 'static,
    {
        self.route((Method::POST, path), handler, summary, BodyMax::Bytes(SMALL_BODY_BYTES_MAX))
    }

    /// With any route.
    pub fn route<H, T, D>(mut self, (method, path): (Method, &str), handler: H, summary: &'static str, body: BodyMax) -> Self
    where
        H: Handler<T, Arc<Shared>> + Described<D>,
        T: 'static,
    {
        let path = format!("{}{path}", self.prefix);
        let limit = match body {
            BodyMax::Bytes(most) => DefaultBodyLimit::max(most),
            BodyMax::Counted(_) => DefaultBodyLimit::disable(),
        };
        let filter = MethodFilter::try_from(method.clone()).expect("a method that HTTP knows");
        let handler: MethodRouter<Arc<Shared>> = on(filter, handler).layer(limit);
        self.router = self.router.route(&path, handler.layer(Extension(body)));
        let name = std::any::type_name::<H>().rsplit("::").next().unwrap_or_default();
        self.routes.push(Route { method, path, needs: H::NEEDS, body, summary, name, describe: H::describe });
        self
    }

    /// With another table's routes.
    pub fn and(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.routes.extend(other.routes);
        self
    }

    /// The router.
    pub fn router(self) -> Router<Arc<Shared>> {
        self.router
    }

    /// The list.
    pub fn routes(self) -> Vec<Route> {
        self.routes
    }
}

/// Bytes of a body where a route says nothing else.
const SMALL_BODY_BYTES_MAX: usize = 2 << 20;
