//! Asking for a seat: what is asked for, for how long to wait, and with or without a thread.

use crate::clock::boot;
use crate::driver::Driver;
use crate::error::{Error, NAME, PRODUCT, VERSION};
use crate::mooring::Mooring;
use crate::order::{Order, Source};
use crate::seat::{Holding, Seat};
use mooring_core::names::{ClaimName, ProductName, Version};
use mooring_core::request::MAX_SEATS;
use std::time::Duration;

/// Without [`Claim::wait`]: for a definite answer, a little longer than a sidecar tries to reach
/// its license server.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is asked for; made by [`Mooring::claim`], [`Mooring::pod`] and [`Mooring::named`].
#[derive(Clone, Debug)]
#[must_use = "nothing is asked for before `hold`"]
pub struct Claim<'a> {
    mooring: &'a Mooring,
    /// Else a name that is none; said when the seat is asked for.
    source: Result<Source, String>,
    product: String,
    seats: u32,
    version: Option<String>,
    wait: Option<Duration>,
    thread: bool,
}

impl Mooring {
    /// A seat of this application's own, from the annotation's or the agent's license server. It
    /// lives as long as the [`Seat`]: a process that ends, however, gives it back.
    pub fn claim(&self, product: &str) -> Claim<'_> {
        Claim::new(self, product, Ok(Source::Hold))
    }

    /// The seats that the pod holds by its annotation (or the agent by `--licenses`): followed and
    /// verified, never given back by the application.
    pub fn pod(&self, product: &str) -> Claim<'_> {
        Claim::new(self, product, Ok(Source::Pod))
    }

    /// The claim of this name, made by [`Sidecar::put_claim`](crate::Sidecar::put_claim): followed
    /// and verified.
    pub fn named(&self, name: &str, product: &str) -> Claim<'_> {
        let source = ClaimName::new(name).map(Source::Named);
        Claim::new(self, product, source.map_err(|_| name.to_owned()))
    }
}

impl<'a> Claim<'a> {
    fn new(mooring: &'a Mooring, product: &str, source: Result<Source, String>) -> Self {
        Self {
            mooring,
            source,
            product: product.to_owned(),
            seats: 1,
            version: None,
            wait: None,
            thread: true,
        }
    }

    /// How many seats; one without this. Of the pod's claim: how many it must have at least.
    pub fn seats(mut self, seats: u32) -> Self {
        self.seats = seats;
        self
    }

    /// The version to ask for, if the license server is to tell them apart. What the license must
    /// cover is the [`app_version`](crate::Builder::app_version), whatever is asked for here.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// How long to wait for a free seat, and for its proof. Without it: not at all for a seat, and
    /// 20 s for an answer.
    pub fn wait(mut self, time: Duration) -> Self {
        self.wait = Some(time);
        self
    }

    /// Starts no thread: the application calls [`Seat::poll`] itself.
    pub fn without_thread(mut self) -> Self {
        self.thread = false;
        self
    }

    /// Takes the seat, and waits for it.
    ///
    /// It returns once the license server's answer to a question of this library's own has
    /// verified; with [`allow_unverified_start`](crate::Builder::allow_unverified_start) also if
    /// there is no license server in reach.
    pub fn hold(self) -> Result<Seat, Error> {
        self.ask(Seat::begin)
    }

    /// Asks for the seat and waits for nothing: for applications with an event loop of their own.
    /// The seat is there at once and not licensed yet; [`Seat::begun`] says how the asking ends.
    /// Without a thread call [`Seat::poll`] before, whenever the seat's descriptor is readable; the
    /// end of the waiting time is in there, too.
    pub fn begin(self) -> Result<Seat, Error> {
        self.ask(|_| Ok(()))
    }

    /// The same on any executor: the seat's thread, which is started at once, wakes the task.
    pub fn hold_async(mut self) -> Holding {
        self.thread = true;
        Holding::new(self.begin())
    }

    fn ask(self, first: impl FnOnce(&Seat) -> Result<(), Error>) -> Result<Seat, Error> {
        let product = ProductName::new(&self.product);
        let product = product.map_err(|_| Error::argument("product", &self.product, PRODUCT))?;
        let source = self
            .source
            .map_err(|n| Error::argument("claim", &n, NAME))?;
        if !(1..=MAX_SEATS).contains(&self.seats) {
            let (seats, expected) = (self.seats.to_string(), format!("1 to {MAX_SEATS}"));
            return Err(Error::argument("seats", &seats, expected));
        }
        let version = |v: String| {
            let checked = Version::new(&v);
            checked.map_err(|_| Error::argument("version", &v, VERSION))
        };
        let order = Order {
            product,
            seats: self.seats,
            version: self.version.map(version).transpose()?,
            source,
        };
        let deadline = boot() + self.wait.unwrap_or(PATIENCE);
        let driver = Driver::new(self.mooring.clone(), order, deadline)?;
        let seat = Seat::new(driver, self.wait.is_none())?;
        first(&seat)?;
        if self.thread {
            seat.start_thread()?;
        }
        Ok(seat)
    }
}
