//! The fake server passes the suite that real servers must pass.

use crate::fake::Fake;
use trunkline_runner::contract;

#[test]
fn the_fake_keeps_the_contract() {
    let fake = Fake::default();
    let runner = "test".parse().unwrap();
    contract::without_work(&fake, &runner);
    contract::with_lease(&fake, &runner, &fake.grant());
}
