//! The one table of keys. The decoder refuses what is not in it, suggestions come from it, and the JSON Schema is
//! made of it.

use crate::shape::{Form, Key, Shape, optional, required};

const ENV: Form = Form::Named(&Form::Template);
const TEXTS: Form = Form::List(&Form::Text);
const ONE_OR_MORE: Form = Form::OneOrMore(&Form::Text);

pub(crate) static FILE: Shape = Shape {
    keys: &[
        optional("name", Form::Text, "The project's name for people."),
        required("on", Form::Either(&[ONE_OR_MORE_EVENTS, Form::Mapping(&ON)]), "What starts a run."),
        optional("defaults", Form::Mapping(&DEFAULTS), "What all jobs share."),
        required("jobs", Form::Named(&Form::Mapping(&JOB)), "Jobs by name."),
        optional("release", Form::Mapping(&RELEASE), "How a release is cut from a passed run."),
        optional("environments", Form::Named(&Form::Mapping(&ENVIRONMENT)), "Where releases run; their order comes from 'after'."),
    ],
    later: &[("include", "write the included jobs into this file")],
    habits: &[
        ("stages", "jobs start as soon as what they 'need' has passed; write needs in each job instead of stages"),
        ("script", "a script belongs to a job: jobs: { build: { run: … } }"),
        ("before_script", "write it at the start of the 'run' of each job"),
        ("variables", "write defaults: { env: { NAME: value } }"),
        ("env", "write defaults: { env: { NAME: value } }"),
        ("workflow", "what starts a run stands in 'on', conditions of jobs in their 'if'"),
        ("image", "not yet in this version: steps run directly on the runner"),
        ("permissions", "jobs get no token, so there is nothing to limit"),
        ("concurrency", "a new push never cancels a run; deployments queue in their environment"),
        ("run-name", "a run is named by its number and its commit"),
        ("pipeline", "write 'jobs'"),
        ("steps", "steps belong to a job: jobs: { build: { steps: […] } }"),
    ],
};

const EVENTS: &[&str] = &["push", "manual"];
const ONE_OR_MORE_EVENTS: Form = Form::OneOrMore(&Form::Choice(EVENTS));

pub(crate) static ON: Shape = Shape {
    keys: &[
        optional("push", Form::Either(&[Form::Null, Form::Mapping(&PUSH)]), "A pushed branch or tag."),
        optional("manual", Form::Either(&[Form::Null, Form::Mapping(&MANUAL)]), "A person or a tool: `trunkline start`."),
    ],
    later: &[
        ("pull_request", "a pull request's branch starts a run when it is pushed and named in push: { branches: […] }"),
        ("schedule", "let a timer of the machine call `trunkline start`"),
    ],
    habits: &[
        ("workflow_dispatch", "write manual: {}, with its inputs, and start it with `trunkline start`"),
        ("merge_request", "a merge request's branch starts a run when it is pushed and named in push: { branches: […] }"),
        ("release", "a release is cut by the pipeline itself: see 'release'"),
        ("tag", "write push: { tags: [\"v*\"] }"),
        ("tags", "write push: { tags: [\"v*\"] }"),
        ("branches", "write push: { branches: [main] }"),
    ],
};

pub(crate) static PUSH: Shape = Shape {
    keys: &[
        optional("branches", ONE_OR_MORE, "Branch names; * stands for text without a slash, ** for any text."),
        optional("tags", ONE_OR_MORE, "Tag names; patterns as in 'branches'."),
        optional(
            "paths",
            ONE_OR_MORE,
            "Files that matter; a pattern after ! takes back what those before it named. Without this every file does.",
        ),
    ],
    later: &[("quick", "every push of these branches starts a run")],
    habits: &[
        ("branches-ignore", "name the branches that start a run in 'branches'"),
        ("tags-ignore", "name the tags that start a run in 'tags'"),
        ("paths-ignore", "write paths: [\"**\", \"!docs/**\"]"),
    ],
};

pub(crate) static MANUAL: Shape = Shape {
    keys: &[optional("inputs", Form::Named(&Form::Mapping(&INPUT)), "What is asked for at the start, by name.")],
    later: &[],
    habits: &[("branches", "a manual start names its branch: `trunkline start --ref`")],
};

pub(crate) const INPUT_TYPES: &[&str] = &["string", "boolean", "number", "choice"];

pub(crate) static INPUT: Shape = Shape {
    keys: &[
        required("type", Form::Choice(INPUT_TYPES), "What it may be."),
        optional("required", Form::Boolean, "Whether a start without it is refused; false without this."),
        optional("default", Form::Text, "What holds where nothing is given; the empty text without this."),
        optional("options", TEXTS, "The words of a choice."),
        optional("description", Form::Text, "For people."),
    ],
    later: &[],
    habits: &[("values", "write options"), ("deprecationMessage", "write it in the description")],
};

pub(crate) const SANDBOXES: &[&str] = &["auto", "host", "landlock", "sandbox"];
const SANDBOX: &str = "What keeps its commands from the rest of the runner's machine: auto, the default, is the best that the runner has; host is nothing; a level that is named and is not there fails the job.";

pub(crate) static DEFAULTS: Shape = Shape {
    keys: &[
        optional("timeout", Form::Duration, "How long one attempt of a job may take; 60m without this. Write 90s, 15m, 2h or 7d."),
        optional("env", ENV, "Environment variables of every step of every job."),
        optional("sandbox", Form::Choice(SANDBOXES), "As in a job, for every job and every check that names none."),
    ],
    later: &[("runs-on", "every runner takes every job"), ("image", "steps run directly on the runner")],
    habits: &[("run", "each step runs in `sh -e` in the workspace; choose a folder or another shell in the script")],
};

const REPORTS: Form = Form::Mapping(&REPORT);

pub(crate) static JOB: Shape = Shape {
    keys: &[
        optional(
            "needs",
            ONE_OR_MORE,
            "Jobs that must have passed before it starts; one with failure: warn may have failed. Where one was not meant to run, nor is this job; where one did not pass, this job is skipped and counts as not passed.",
        ),
        optional("if", Form::Condition, "Runs only where this CEL expression is true."),
        optional("steps", Form::List(&Form::Mapping(&STEP)), "Commands, in order."),
        optional("run", Form::Script, "Shorthand for one step."),
        optional("env", ENV, "Environment variables of every step."),
        optional("timeout", Form::Duration, "How long one attempt may take. Write 90s, 15m, 2h or 7d."),
        optional("sandbox", Form::Choice(SANDBOXES), SANDBOX),
        optional("artifacts", Form::List(&Form::Mapping(&ARTIFACT)), "Files and folders to keep when the job has passed."),
        optional("reports", REPORTS, "Test reports to read when the steps have ended."),
        optional("retry", Form::Mapping(&RETRY), "When to try again."),
        optional(
            "failure",
            Form::Choice(&["fail", "warn"]),
            "What it means for the run that it failed or could not be started: fail, the default, fails the run; warn is only shown.",
        ),
    ],
    later: &[
        ("matrix", "write one job for each combination"),
        ("services", "start the service in the script and stop it there"),
        ("cache", "workspaces start without a cache"),
        ("inputs", "the job runs on every change"),
        ("secrets", "give the runner's own user what the job needs"),
        ("image", "steps run directly on the runner"),
        ("runs-on", "every runner takes every job"),
    ],
    habits: &[
        ("uses", "not needed for a checkout: a job starts in a workspace of its revision; anything else is a command in 'run'"),
        ("stage", "a job starts as soon as what it 'needs' has passed"),
        ("script", "write run: | and the commands below it"),
        ("before_script", "write it at the start of 'run'"),
        ("after_script", "write a trap in the script"),
        ("only", "write if: change.branch == 'main'"),
        ("except", "write if: change.branch != 'main'"),
        ("rules", "write a condition: if: change.branch == 'main'"),
        ("when", "write a condition: if: change.branch == 'main'"),
        ("extends", "write the keys where they are needed; 'defaults' holds what all jobs share"),
        ("variables", "write env: { NAME: value }"),
        ("dependencies", "write needs"),
        ("depends-on", "write needs"),
        ("depends_on", "write needs"),
        ("strategy", "not yet in this version: write one job for each combination"),
        ("timeout-minutes", "write timeout: 15m"),
        ("continue-on-error", "write failure: warn"),
        ("allow_failure", "write failure: warn"),
        ("environment", "deployments stand in 'environments', not in jobs"),
        ("permissions", "jobs get no token, so there is nothing to limit"),
        ("outputs", "a job sets outputs by writing name=value lines to the file named by TRUNKLINE_OUTPUT"),
        ("container", "not yet in this version: steps run directly on the runner"),
        ("tags", "not yet in this version: every runner takes every job"),
        ("name", "a job is shown by its key"),
    ],
};

pub(crate) static STEP: Shape = Shape {
    keys: &[optional("name", Form::Text, "Its name for people."), required("run", Form::Script, "Shell text, given to `sh -e` unchanged.")],
    later: &[],
    habits: &[
        ("uses", "not needed for a checkout: a job starts in a workspace of its revision; anything else is a command in 'run'"),
        ("with", "a step is a command: give it arguments in 'run'"),
        ("env", "environment variables belong to the job: move 'env' there"),
        ("if", "conditions belong to jobs: make a job of the step, or ask in the script"),
        ("shell", "each step runs in `sh -e`; call another shell in the script"),
        ("working-directory", "write cd in the script"),
        ("id", "a job sets outputs by writing name=value lines to the file named by TRUNKLINE_OUTPUT"),
        ("timeout", "timeouts belong to jobs: move 'timeout' there"),
        ("timeout-minutes", "timeouts belong to jobs: write timeout: 15m there"),
        ("continue-on-error", "write failure: warn in the job, or || true after the command"),
        ("script", "write run"),
    ],
};

pub(crate) static ARTIFACT: Shape = Shape {
    keys: &[
        required("name", Form::Text, "Its name in the run and in the release."),
        required("path", Form::Text, "File or folder in the workspace."),
    ],
    later: &[("image", "keep the image's digest in a file and make that the artifact")],
    habits: &[("paths", "an artifact is one file or folder: write path"), ("expire_in", "artifacts of releases are kept")],
};

pub(crate) static REPORT: Shape = Shape {
    keys: &[
        optional("junit", Form::Text, "Path of a JUnit XML file."),
        optional("libtest", Form::Text, "Path of what `cargo test` printed, or 'log' for the job's own output."),
    ],
    later: &[
        ("go-test", "let go test write JUnit, such as with gotestsum"),
        ("tap", "let the tests write JUnit"),
        ("coverage", "keep the coverage as an artifact"),
    ],
    habits: &[],
};

pub(crate) static RETRY: Shape = Shape {
    keys: &[
        required("max", Form::Whole { min: 0, max: 5 }, "Further attempts after the first."),
        required(
            "on",
            Form::OneOrMore(&Form::Either(&[Form::Choice(RETRY_ON), Form::Whole { min: 1, max: 255 }])),
            "lost, failed or exit codes.",
        ),
    ],
    later: &[],
    habits: &[("when", "write on: [lost]")],
};

pub(crate) const RETRY_ON: &[&str] = &["lost", "failed"];

pub(crate) static RELEASE: Shape = Shape {
    keys: &[
        optional("needs", ONE_OR_MORE, "Jobs that must have passed; every job that has to pass without this."),
        optional("if", Form::Condition, "A release is cut only where this CEL expression is true."),
        required(
            "version",
            Form::Text,
            "calver (year, month and number of the run: `2026.12.7`), git-describe (the newest tag: `v1.4-2-gd70ed32`) or a CEL expression that gives 1 to 100 letters, digits and `. _ + - ~`.",
        ),
        optional("artifacts", TEXTS, "Artifacts by name; all of the run without this."),
        optional("files", TEXTS, "Files and folders (with / at the end) of the repository that deployments need."),
    ],
    later: &[("uses", "build what belongs together in one repository"), ("sbom", "make it in a job and keep it as an artifact")],
    habits: &[("tag_name", "write version"), ("name", "a release is named by its version")],
};

pub(crate) static ENVIRONMENT: Shape = Shape {
    keys: &[
        optional("tier", Form::Choice(TIERS), "What it is for; development without this."),
        optional("after", Form::Either(&[ONE_OR_MORE, Form::Mapping(&AFTER)]), "Where a release must be verified first."),
        optional("queue", Form::Choice(QUEUES), "What happens to releases that arrive while one is being deployed; queue without this."),
        optional("config", Form::Mapping(&CONFIG), "Its configuration."),
        required(
            "deploy",
            Form::OneOrMore(&Form::Either(&[Form::Mapping(&PROCESS), Form::Mapping(&RUN)])),
            "What is deployed: one part, or a list.",
        ),
        optional(
            "verify",
            Form::List(&Form::Either(&[Form::Mapping(&HTTP_CHECK), Form::Mapping(&RUN_CHECK)])),
            "Checks after the deployment.",
        ),
        optional("rollback", Form::Mapping(&ROLLBACK), "Which failures bring the last verified release back."),
    ],
    later: &[
        ("gates", "promote by hand with `trunkline promote` where a person has to decide"),
        ("strategy", "everything is switched at once"),
        ("drift", "look at the target; `trunkline status` says what was verified there last"),
        ("tasks", "run it by hand"),
        ("notify", "watch with `trunkline watch`"),
        ("protected", "leave it out"),
    ],
    habits: &[
        ("needs", "write after: the name of the earlier environment"),
        ("url", "write it in a check: verify: [{ http: \"http://…\" }]"),
        ("approval", "not yet in this version; promote by hand with `trunkline promote`"),
        ("run", "write deploy: { kind: run, apply: … }"),
        ("script", "write deploy: { kind: run, apply: … }"),
        ("name", "an environment is shown by its key"),
    ],
};

pub(crate) const TIERS: &[&str] = &["development", "testing", "staging", "production"];
pub(crate) const QUEUES: &[&str] = &["newest", "queue", "reject"];

pub(crate) static AFTER: Shape = Shape {
    keys: &[optional("all", TEXTS, "Verified in each of these."), optional("any", TEXTS, "Verified in one of these.")],
    later: &[],
    habits: &[],
};

pub(crate) static CONFIG: Shape = Shape {
    keys: &[required("from", Form::Text, "File of the repository; it becomes part of the release.")],
    later: &[("secrets", "keep secrets on the target"), ("as", "the file's path is in TRUNKLINE_CONFIG")],
    habits: &[],
};

const PART_NAME: Key = optional("name", Form::Text, "Its name; 'main' where there is one part.");
pub(crate) const KINDS: &[&str] = &["process", "run"];
pub(crate) const KINDS_LATER: &[&str] = &["hosts", "files", "container", "kubernetes", "terraform"];

pub(crate) static PROCESS: Shape = Shape {
    keys: &[
        PART_NAME,
        required("kind", Form::Choice(&["process"]), "Supervised instances on the runner."),
        optional("artifact", Form::Text, "The artifact to start from."),
        required("run", Form::Script, "Shell text that becomes the service."),
        optional("listen", Form::Text, "host:port that the supervisor binds and hands on (LISTEN_FDS)."),
        optional("instances", Form::Whole { min: 1, max: 100 }, "How many run side by side; 1 without this."),
        optional("env", ENV, "Environment variables of the service."),
        optional(
            "ready-within",
            Form::Duration,
            "How long a new instance may take to say READY=1 to NOTIFY_SOCKET; 10m at most. Without this, one that has run for half a second counts as ready.",
        ),
    ],
    later: PART_LATER,
    habits: &[
        ("script", "write run"),
        ("command", "write run"),
        ("port", "write listen: \"127.0.0.1:8000\""),
        ("replicas", "write instances"),
        ("start-within", "write ready-within, for a service that says READY=1 to NOTIFY_SOCKET"),
    ],
};

pub(crate) static RUN: Shape = Shape {
    keys: &[
        PART_NAME,
        required("kind", Form::Choice(&["run"]), "Your own scripts."),
        required("apply", Form::Script, "Makes the release the state of the target."),
        optional(
            "observe",
            Form::Script,
            "Prints what is there: a line release=<digest or version>, or release= where nothing is; and fence=<n> where the target keeps TRUNKLINE_FENCE. Where two releases may have the same version, print the digest or the fence.",
        ),
        optional("health", Form::Script, "Exit 0: healthy."),
        optional("rollback", Form::Script, "Replaces apply when an earlier release comes back."),
        optional("idempotent", Form::Boolean, "Whether a second start is harmless."),
        optional("env", ENV, "Environment variables of the scripts."),
        optional("timeout", Form::Duration, "How long one script may take; 60m without this."),
    ],
    later: PART_LATER,
    habits: &[
        ("run", "write apply"),
        ("script", "write apply"),
        ("artifact", "all artifacts of the release are in the folder of the script"),
    ],
};

const PART_LATER: &[(&str, &str)] = &[
    ("plan", "what an apply would change is not shown before it"),
    ("needs", "parts are deployed in the order of the list"),
    ("once", "the part is deployed with every release"),
    ("reversible", "an earlier release comes back with the same scripts, or with 'rollback'"),
    ("around", "call it in the script"),
    ("hosts", "deploy to other hosts from a script: kind: run"),
    ("path", "the release is placed in a folder of its own"),
    ("service", "kind: process supervises the service itself"),
    ("user", "deploy to other hosts from a script: kind: run"),
];

const CHECK_NAME: Key = optional("name", Form::Text, "Its name for people.");

pub(crate) static HTTP_CHECK: Shape = Shape {
    keys: &[
        CHECK_NAME,
        required("http", Form::Template, "The address, http://…"),
        optional("status", Form::Whole { min: 100, max: 599 }, "The status that must come; 200 without this."),
        optional("json", ENV, "Top-level members that the JSON answer must have."),
        optional("text", Form::Template, "Text that the answer must contain."),
        optional("within", Form::Duration, "How long to keep asking; 30s without this."),
    ],
    later: &[("headers", "ask with curl in a check of kind run")],
    habits: &[("timeout", "write within"), ("url", "write http"), ("body", "write text or json")],
};

pub(crate) static RUN_CHECK: Shape = Shape {
    keys: &[
        CHECK_NAME,
        required("run", Form::Script, "Shell text; exit 0 passes."),
        optional("reports", REPORTS, "Test reports to read afterwards."),
        optional("timeout", Form::Duration, "How long it may take; 10m without this."),
        optional("sandbox", Form::Choice(SANDBOXES), "As in a job; where the runner does not have it, the check is lost."),
    ],
    later: &[("prometheus", "ask with curl in 'run'")],
    habits: &[("script", "write run"), ("within", "write timeout")],
};

pub(crate) static ROLLBACK: Shape = Shape {
    keys: &[required("on", Form::OneOrMore(&Form::Choice(ROLLBACK_ON)), "health, verify; [] turns it off.")],
    later: &[("to", "the last verified release comes back")],
    habits: &[],
};

pub(crate) const ROLLBACK_ON: &[&str] = &["health", "verify"];
