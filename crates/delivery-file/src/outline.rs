//! What `trunkline check` shows of a good file: triggers, the graph of jobs, the release, the order of environments.

use std::collections::HashMap;
use trunkline_domain::pipeline::{After, Definition, PartKind, Pattern, PushTrigger, ReleaseRule, Tier, VersionRule};

/// The definition in a few lines. Jobs stand in the order in which they can start, indented by how many must end before.
pub fn outline(definition: &Definition) -> Vec<String> {
    let mut lines = vec![format!("on            {}", triggers(definition))];
    let mut title = "jobs";
    for (depth, line) in job_lines(definition) {
        lines.push(format!("{title:<14}{}{line}", "  ".repeat(depth.min(20))));
        title = "";
    }
    if let Some(release) = &definition.release {
        lines.push(format!("release       {}", release_line(release)));
    }
    title = "environments";
    for line in environment_lines(definition) {
        lines.push(format!("{title:<14}{line}"));
        title = "";
    }
    lines
}

fn triggers(definition: &Definition) -> String {
    let names = |patterns: &[Pattern]| patterns.iter().map(|pattern| pattern.0.as_str()).collect::<Vec<_>>().join(", ");
    let push = definition.on.push.as_ref().map(|PushTrigger { branches, tags, paths }| {
        let refs = match (branches.is_empty(), tags.is_empty()) {
            (true, true) => "push to any branch".to_owned(),
            (false, true) => format!("push to {}", names(branches)),
            (true, false) => format!("tag {}", names(tags)),
            (false, false) => format!("push to {}; tag {}", names(branches), names(tags)),
        };
        if paths.is_empty() { refs } else { format!("{refs}; paths {}", paths.0.join(", ")) }
    });
    let manual = definition.on.manual.as_ref().map(|manual| {
        let inputs: Vec<&str> = manual.inputs.iter().map(|input| input.name.as_str()).collect();
        if inputs.is_empty() { "by hand".to_owned() } else { format!("by hand, with {}", inputs.join(", ")) }
    });
    push.into_iter().chain(manual).collect::<Vec<_>>().join("; ")
}

/// Each job with the length of the longest chain before it.
fn job_lines(definition: &Definition) -> Vec<(usize, String)> {
    let jobs = &definition.jobs;
    let index: HashMap<&str, usize> = jobs.iter().enumerate().map(|(at, job)| (job.key.as_str(), at)).collect();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); jobs.len()];
    let mut waiting: Vec<usize> = vec![0; jobs.len()];
    for (at, job) in jobs.iter().enumerate() {
        for need in job.needs.iter().filter_map(|need| index.get(need.as_str())) {
            followers[*need].push(at);
            waiting[at] += 1;
        }
    }
    let mut depth = vec![0; jobs.len()];
    let mut ready: Vec<usize> = (0..jobs.len()).filter(|at| waiting[*at] == 0).collect();
    let mut next = 0;
    while let Some(at) = ready.get(next).copied() {
        next += 1;
        for follower in &followers[at] {
            depth[*follower] = depth[*follower].max(depth[at] + 1);
            waiting[*follower] -= 1;
            if waiting[*follower] == 0 {
                ready.push(*follower);
            }
        }
    }
    ready.sort_by_key(|at| (depth[*at], *at));
    let line = |at: usize| {
        let needs: Vec<&str> = jobs[at].needs.iter().map(|need| need.as_str()).collect();
        let after = if needs.is_empty() { String::new() } else { format!("  ← {}", needs.join(", ")) };
        let condition = jobs[at].condition.as_ref().map(|condition| format!("  if {}", condition.0.trim())).unwrap_or_default();
        (depth[at], format!("{}{after}{condition}", jobs[at].key))
    };
    ready.into_iter().map(line).collect()
}

fn release_line(release: &ReleaseRule) -> String {
    let version = match &release.version {
        VersionRule::Calver => "calver",
        VersionRule::GitDescribe => "git-describe",
        VersionRule::Expression(expression) => expression.0.trim(),
    };
    let mut line = format!("version {version}");
    if let Some(needs) = &release.needs {
        line += &format!("  ← {}", needs.iter().map(|need| need.as_str()).collect::<Vec<_>>().join(", "));
    }
    if let Some(condition) = &release.condition {
        line += &format!("  if {}", condition.0.trim());
    }
    line
}

fn environment_lines(definition: &Definition) -> Vec<String> {
    let line = |environment: &trunkline_domain::pipeline::EnvironmentRule| {
        let tier = match environment.tier {
            Tier::Development => "development",
            Tier::Testing => "testing",
            Tier::Staging => "staging",
            Tier::Production => "production",
        };
        let names: Vec<&str> = environment.after.names().iter().map(|name| name.as_str()).collect();
        let after = match &environment.after {
            After::Release => String::new(),
            After::All(_) => format!("  ← {}", names.join(", ")),
            After::Any(_) => format!("  ← any of {}", names.join(", ")),
        };
        let part = |part: &trunkline_domain::pipeline::Part| match &part.kind {
            PartKind::Process(process) => match &process.listen {
                Some(listen) => format!("{} at {listen} × {}", part.name, process.instances),
                None => format!("{} × {}", part.name, process.instances),
            },
            PartKind::Run(_) => format!("{} by script", part.name),
        };
        let parts: Vec<String> = environment.parts.iter().map(part).collect();
        let checks = match environment.verify.len() {
            0 => "no checks".to_owned(),
            1 => "1 check".to_owned(),
            count => format!("{count} checks"),
        };
        format!("{} ({tier}){after}: {}; {checks}", environment.name, parts.join(", "))
    };
    definition.environments.iter().map(line).collect()
}
