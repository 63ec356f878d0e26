//! In which order environments of several projects stand side by side, on the board and in `trunkline status`.

use super::StatusView;
use trunkline_domain::pipeline::Tier;

impl StatusView {
    /// Names of all environments, so that every project reads from left to right in its own order. Where the projects leave
    /// it open, production comes last, and else what is seen first stands first; where they contradict each other, too.
    pub fn columns(&self) -> Vec<&str> {
        let mut left: Vec<&str> = Vec::new();
        for environment in self.projects.iter().flat_map(|project| &project.environments) {
            if !left.contains(&environment.name.as_str()) {
                left.push(environment.name.as_str());
            }
        }
        // What is retired stands last in its project for that alone.
        let orders = self.projects.iter().map(|project| {
            let in_force = project.environments.iter().filter(|environment| !environment.retired);
            in_force.map(|environment| environment.name.as_str()).collect::<Vec<_>>()
        });
        let orders: Vec<Vec<&str>> = orders.collect();
        let mut columns: Vec<&str> = Vec::new();
        while !left.is_empty() {
            let waits = |name: &str| {
                let before = |order: &Vec<&str>| order.iter().take_while(|other| **other != name).any(|other| left.contains(other));
                orders.iter().filter(|order| order.contains(&name)).any(before)
            };
            let rank = |at: &usize| (waits(left[*at]), self.is_production(left[*at]), *at);
            let Some(next) = (0..left.len()).min_by_key(rank) else { break };
            columns.push(left.remove(next));
        }
        columns
    }

    fn is_production(&self, name: &str) -> bool {
        let mut all = self.projects.iter().flat_map(|project| &project.environments);
        all.any(|environment| environment.name.as_str() == name && environment.tier == Tier::Production)
    }
}
