//! What the corpus cannot hold: the expected definition, limits, pages, the schema.

use crate::{Code, Severity, explain, read, render, schema};
use std::collections::{BTreeMap, BTreeSet};
use trunkline_domain::expression::{Expression, Template};
use trunkline_domain::foundation::{EnvironmentName, JobKey, Millis};
use trunkline_domain::pipeline::{
    After, ArtifactRule, Check, CheckRule, Definition, EnvironmentRule, FailureMode, HttpCheck, JobRule, Part, PartKind, PathRules,
    Pattern, ProcessPart, PushTrigger, QueuePolicy, ReleaseRule, ReportFormat, ReportRule, Retry, RetryCause, RollbackCause, RunPart,
    SandboxChoice, Step, Tier, Triggers, VersionRule, limit,
};

const SHOP: &str = include_str!("../tests/corpus/good/shop.yaml");

fn key(name: &str) -> JobKey {
    name.parse().unwrap()
}

fn environment_name(name: &str) -> EnvironmentName {
    name.parse().unwrap()
}

fn env(values: &[(&str, &str)]) -> BTreeMap<String, Template> {
    values.iter().map(|(name, value)| ((*name).to_owned(), Template((*value).to_owned()))).collect()
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn expression(source: &str) -> Expression {
    Expression(text(source))
}

/// A job with nothing but defaults of the shop's file.
fn job(name: &str, run: &str) -> JobRule {
    JobRule {
        key: key(name),
        needs: Vec::new(),
        condition: None,
        steps: vec![Step { name: None, run: text(run) }],
        env: env(&[("CARGO_TERM_COLOR", "never"), ("RUN", "${{ event }}")]),
        timeout: Millis::minutes(15),
        sandbox: SandboxChoice::Auto,
        artifacts: Vec::new(),
        reports: Vec::new(),
        retry: Retry::default(),
        failure: FailureMode::Fail,
    }
}

fn shop_jobs() -> Vec<JobRule> {
    let strip = "strip target/release/shop\necho \"size=$(stat -c %s target/release/shop)\" >> \"$TRUNKLINE_OUTPUT\"\n";
    vec![
        JobRule {
            steps: vec![
                Step { name: Some(text("compile")), run: text("cargo build --release --locked") },
                Step { name: None, run: text(strip) },
            ],
            artifacts: vec![ArtifactRule { name: text("server"), path: text("target/release/shop") }],
            ..job("build", "")
        },
        JobRule {
            needs: vec![key("build")],
            reports: vec![
                ReportRule { format: ReportFormat::Junit, path: text("target/nextest/ci/junit.xml") },
                ReportRule { format: ReportFormat::Libtest, path: text("log") },
            ],
            retry: Retry { max: 1, on: vec![RetryCause::Lost, RetryCause::Failed, RetryCause::ExitCode(137)] },
            ..job("unit", "cargo nextest run --profile ci")
        },
        JobRule { failure: FailureMode::Warn, ..job("lint", "cargo clippy -- -D warnings") },
        JobRule {
            needs: vec![key("unit"), key("lint")],
            condition: Some(expression("change.branch == \"main\" && needs['unit'].result == 'passed'")),
            timeout: Millis::hours(1),
            env: env(&[("CARGO_TERM_COLOR", "never"), ("RUN", "image"), ("PORT", "8000"), ("DEBUG", "true")]),
            ..job("image", "./push-image.sh")
        },
    ]
}

fn http(url: &str) -> HttpCheck {
    HttpCheck { url: Template(text(url)), status: 200, json: BTreeMap::new(), text: None, within: Millis::seconds(30) }
}

fn check(name: &str, check: Check) -> CheckRule {
    CheckRule { name: text(name), check }
}

fn process(env: BTreeMap<String, Template>) -> ProcessPart {
    ProcessPart { artifact: Some(text("server")), run: text("./server"), listen: None, instances: 1, env, ready_within: None }
}

fn run_part(apply: &str) -> RunPart {
    RunPart {
        apply: text(apply),
        observe: None,
        health: None,
        rollback: None,
        idempotent: false,
        env: BTreeMap::new(),
        timeout: Millis::minutes(60),
    }
}

/// An environment with nothing but defaults.
fn environment(name: &str) -> EnvironmentRule {
    EnvironmentRule {
        name: environment_name(name),
        tier: Tier::Development,
        after: After::Release,
        queue: QueuePolicy::Queue,
        config: None,
        parts: Vec::new(),
        verify: Vec::new(),
        rollback: vec![RollbackCause::Health, RollbackCause::Verify],
    }
}

fn shop_environments() -> Vec<EnvironmentRule> {
    let smoke = Check::Run {
        run: text("./smoke.sh"),
        reports: vec![ReportRule { format: ReportFormat::Junit, path: text("smoke.xml") }],
        timeout: Millis::minutes(2),
        sandbox: SandboxChoice::Auto,
    };
    let version = HttpCheck {
        json: env(&[("version", "${{ release.version }}")]),
        text: Some(Template(text("shop"))),
        within: Millis::seconds(10),
        ..http("http://127.0.0.1:8101/version")
    };
    let listening = ProcessPart {
        listen: Some(text("127.0.0.1:8101")),
        instances: 2,
        ready_within: Some(Millis::seconds(5)),
        ..process(env(&[("V", "${{ release.version }}")]))
    };
    let migrate = RunPart {
        observe: Some(text("deploy/observe.sh")),
        health: Some(text("true")),
        rollback: Some(text("deploy/back.sh")),
        idempotent: true,
        env: env(&[("E", "${{ environment.name }}")]),
        timeout: Millis::minutes(5),
        ..run_part("deploy/migrate.sh")
    };
    let last = Check::Run { run: text("deploy/check.sh"), reports: Vec::new(), timeout: Millis::minutes(10), sandbox: SandboxChoice::Auto };
    let main = |kind: PartKind| vec![Part { name: text("main"), kind }];
    vec![
        EnvironmentRule {
            tier: Tier::Testing,
            config: Some(text("config/test.env")),
            parts: main(PartKind::Process(listening)),
            verify: vec![check("http", Check::Http(version)), check("smoke", smoke)],
            ..environment("test")
        },
        EnvironmentRule {
            after: After::All(vec![environment_name("test")]),
            queue: QueuePolicy::Newest,
            parts: vec![
                Part { name: text("migrate"), kind: PartKind::Run(migrate) },
                Part { name: text("process"), kind: PartKind::Process(process(BTreeMap::new())) },
            ],
            verify: vec![
                check("http", Check::Http(http("http://127.0.0.1:8102/"))),
                check("http-2", Check::Http(HttpCheck { status: 204, ..http("http://127.0.0.1:8102/version") })),
            ],
            rollback: Vec::new(),
            ..environment("qa")
        },
        EnvironmentRule {
            tier: Tier::Production,
            after: After::Any(vec![environment_name("test"), environment_name("qa")]),
            queue: QueuePolicy::Reject,
            parts: main(PartKind::Run(run_part("deploy/apply.sh"))),
            verify: vec![check("run", last)],
            ..environment("production")
        },
    ]
}

#[test]
fn a_good_file_says_what_it_says() {
    let (definition, diagnostics) = read(SHOP.as_bytes());
    assert_eq!(render("shop.yaml", SHOP.as_bytes(), &diagnostics), "");
    let expected = Definition {
        name: Some(text("shop")),
        on: Triggers {
            push: Some(PushTrigger {
                branches: vec![Pattern(text("main")), Pattern(text("release/*"))],
                tags: vec![Pattern(text("v*"))],
                paths: PathRules::default(),
            }),
            manual: None,
        },
        jobs: shop_jobs(),
        release: Some(ReleaseRule {
            needs: Some(vec![key("unit"), key("image")]),
            condition: Some(expression("change.branch == \"main\"")),
            version: VersionRule::Expression(expression("change.tag == '' ? '0.0.' + change.revision : change.tag")),
            artifacts: Some(vec![text("server")]),
            files: vec![text("deploy/"), text("smoke.sh")],
        }),
        environments: shop_environments(),
    };
    assert_eq!(definition, Some(expected));
}

#[test]
fn short_forms_mean_the_long_ones() {
    let on = |on: &str| read(format!("on: {on}\njobs: {{ a: {{ run: x }} }}").as_bytes()).0.unwrap().on;
    let any = Some(PushTrigger::default());
    for short in ["push", "[push]", "{ push: }", "{ push: {} }"] {
        assert_eq!(on(short), Triggers { push: any.clone(), manual: None }, "{short}");
    }
    let (plain, _) = read(b"on: push\njobs: { a: { run: x } }");
    let job = plain.unwrap().jobs.remove(0);
    assert_eq!((job.timeout, job.retry, job.failure), (Millis::minutes(60), Retry::default(), FailureMode::Fail));
    for version in ["calver", "git-describe"] {
        let (definition, _) = read(format!("on: push\njobs: {{ a: {{ run: x }} }}\nrelease: {{ version: {version} }}").as_bytes());
        let expected = if version == "calver" { VersionRule::Calver } else { VersionRule::GitDescribe };
        assert_eq!(definition.unwrap().release.unwrap().version, expected);
    }
}

#[test]
fn a_manual_start_declares_its_inputs() {
    let source = "on:\n  push: { paths: [\"**\", \"!docs/**\"] }\n  manual:\n    inputs:\n      reason: { type: string, required: true }\n      \
                  size: { type: choice, options: [small, big], default: small }\njobs:\n  a: { if: inputs.size == 'big', run: x }\n";
    let (definition, diagnostics) = read(source.as_bytes());
    assert_eq!(render("trunkline.yaml", source.as_bytes(), &diagnostics), "");
    let on = definition.unwrap().on;
    let paths = on.push.unwrap().paths;
    assert!(paths.of("").names("src/a.rs") && !paths.of("").names("docs/a.md"));
    assert!(paths.of("web").names("web/src/a.rs") && !paths.of("web").names("web/docs/a.md") && !paths.of("web").names("api/a.rs"));
    assert!(PathRules(vec![text("/shared/**")]).of("web").names("shared/a.rs"));
    assert!(!PathRules(vec![text("/shared/**")]).of("web").names("web/a.rs"));
    let inputs = on.manual.unwrap().inputs;
    assert_eq!(inputs.iter().map(|input| (input.name.as_str(), input.required)).collect::<Vec<_>>(), [("reason", true), ("size", false)]);
    for (input, said) in [
        ("{ type: choice }", "has no 'options'"),
        ("{ type: boolean, default: yes }", "'default' takes true or false"),
        ("{ kind: text }", "unknown key 'kind'"),
    ] {
        let source = format!("on: {{ manual: {{ inputs: {{ a: {input} }} }} }}\njobs: {{ a: {{ run: x }} }}");
        let (_, diagnostics) = read(source.as_bytes());
        assert!(render("t", source.as_bytes(), &diagnostics).contains(said), "{input}: {}", render("t", source.as_bytes(), &diagnostics));
    }
    let (_, diagnostics) = read(b"on: manual\njobs: { a: { if: \"inputs.sise == 'x'\", run: x } }");
    assert!(diagnostics[0].message.contains("'sise' is no input"));
}

#[test]
fn the_error_form_is_the_stated_one() {
    let source = "on: push\njobs:\n  build: { run: x }\n  package:\n    need: build\n    run: y\n";
    let (_, diagnostics) = read(source.as_bytes());
    let expected = "error[TL0142]: unknown key 'need' in job 'package'\n  --> trunkline.yaml:5:5\n  |\n5 |     need: build\n  |     ^^^^\n\
                    help: did you mean 'needs'?\nsee: trunkline explain TL0142\n";
    assert_eq!(render("trunkline.yaml", source.as_bytes(), &diagnostics), expected);
    let span = diagnostics[0].span;
    assert_eq!((&source[span.start..span.end], span.line, span.column), ("need", 5, 5));
}

#[test]
fn columns_count_characters_and_carets_stand_under_them() {
    let source = "\u{feff}\"ä\": x\non: push\njobs: { ünit: { rin: x, run: \"äöü ${{ x }}\" } }\n";
    let (_, diagnostics) = read(source.as_bytes());
    let printed = render("f", source.as_bytes(), &diagnostics);
    assert!(printed.contains("--> f:1:1\n  |\n1 | \"ä\": x\n  | ^^^\n"), "{printed}");
    assert!(printed.contains("--> f:3:17\n"), "{printed}");
    let lines: Vec<Vec<char>> = printed.lines().map(|line| line.chars().collect()).collect();
    let carets = lines.iter().position(|line| line.ends_with(&['^'; 8])).unwrap();
    let at = lines[carets].iter().position(|c| *c == '^').unwrap();
    assert_eq!(lines[carets - 1][at..at + 8].iter().collect::<String>(), "${{ x }}");
    let template = diagnostics.iter().find(|one| one.code == Code::TemplateInScript).unwrap();
    assert_eq!(&source[template.span.start..template.span.end], "${{ x }}");
}

#[test]
fn long_lines_are_shown_around_the_place() {
    let source = format!("on: push\njobs: {{ a: {{ run: \"{}\", rum: y }} }}\n", "x".repeat(5_000));
    let (_, diagnostics) = read(source.as_bytes());
    let printed = render("f", source.as_bytes(), &diagnostics);
    assert!(printed.lines().all(|line| line.chars().count() < 140), "{printed}");
    let lines: Vec<&str> = printed.lines().collect();
    let carets = lines[4].find('^').unwrap();
    // The lead of a cut line is one character of three bytes.
    assert_eq!(lines[3].chars().skip(carets).take(3).collect::<String>(), "rum");
}

#[test]
fn limits_are_named() {
    let code = |source: &[u8]| read(source).1.iter().map(|one| one.code).collect::<Vec<_>>();
    let huge = format!("on: push\njobs: {{ a: {{ run: x }} }}\n#{}", "x".repeat(limit::FILE_BYTES_MAX));
    assert_eq!(code(huge.as_bytes()), [Code::FileTooLarge]);
    let jobs = |count: usize| format!("on: push\njobs:\n{}", (0..count).map(|at| format!("  j{at}: {{ run: x }}\n")).collect::<String>());
    assert_eq!(code(jobs(limit::JOBS_MAX).as_bytes()), []);
    assert_eq!(code(jobs(limit::JOBS_MAX + 1).as_bytes()), [Code::TooMany]);
    let defaults = format!("on: push\ndefaults: {{ env: {{ A: {} }} }}\njobs: {{ a: {{ run: x }} }}", "x".repeat(20_000));
    assert_eq!(code(defaults.as_bytes()), [Code::TooMany]);
    let paths = |patterns: &[String]| format!("on: {{ push: {{ paths: [{}] }} }}\njobs: {{ a: {{ run: x }} }}", patterns.join(", "));
    assert_eq!(code(paths(&vec!["a".repeat(limit::PATTERN_BYTES_MAX); limit::PATTERNS_MAX]).as_bytes()), []);
    assert_eq!(code(paths(&vec!["a".to_owned(); limit::PATTERNS_MAX + 1]).as_bytes()), [Code::TooMany]);
    assert_eq!(code(paths(&["a".repeat(limit::PATTERN_BYTES_MAX + 1)]).as_bytes()), [Code::TooMany]);
    let wrong = format!("on: push\njobs:\n{}", (0..300).map(|at| format!("  j{at}: {{ run: x, rum: y }}\n")).collect::<String>());
    let codes = code(wrong.as_bytes());
    assert_eq!((codes.len(), codes.last()), (201, Some(&Code::MoreProblems)));
}

/// A chain as long as a file may hold neither overflows a stack nor takes long.
#[test]
fn a_long_chain_is_no_cycle_and_its_end_may_close_one() {
    let chain = |last: &str| {
        let jobs: String = (1..limit::JOBS_MAX).map(|at| format!("  j{at}: {{ run: x, needs: j{} }}\n", at - 1)).collect();
        format!("on: push\njobs:\n  j0: {{ run: x{last} }}\n{jobs}")
    };
    assert_eq!(read(chain("").as_bytes()).1, []);
    let (_, diagnostics) = read(chain(", needs: j4999").as_bytes());
    assert_eq!(diagnostics.len(), 1);
    assert!(diagnostics[0].message.starts_with("jobs wait for each other: j0 → j4999 → j4998"), "{}", diagnostics[0].message);
}

fn yaml_blocks(page: &str) -> Vec<&str> {
    page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```\n").next()).collect()
}

#[test]
fn every_code_has_a_page_whose_examples_are_true() {
    for code in Code::ALL {
        let page = explain(code.as_str()).unwrap();
        assert!(page.starts_with(&format!("# {code}: ")), "{code}");
        assert!(page.contains("## What to do"), "{code}");
        let blocks = yaml_blocks(page);
        if !page.contains("```text") {
            assert_eq!(blocks.len(), 2, "{code} has a cause and a remedy");
        }
        for (at, block) in blocks.iter().enumerate() {
            let (definition, diagnostics) = read(block.as_bytes());
            let printed = render("page", block.as_bytes(), &diagnostics);
            match at {
                0 => assert!(diagnostics.iter().any(|one| one.code == *code), "{code}: the cause does not cause it\n{printed}"),
                _ => assert!(definition.is_some() && diagnostics.is_empty(), "{code}: the remedy is wrong\n{printed}"),
            }
        }
    }
    let texts: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(texts.len(), Code::ALL.len(), "each code has one meaning");
    assert!(explain("tl0142").is_some());
    assert_eq!(explain("TL9999"), None);
}

#[test]
fn warnings_leave_the_file_usable() {
    let (definition, diagnostics) = read(include_bytes!("../tests/corpus/good/warn.yaml"));
    assert!(definition.is_some());
    assert_eq!(diagnostics.iter().map(|one| (one.code, one.severity)).collect::<Vec<_>>(), [(Code::NothingVerified, Severity::Warning)]);
}

#[test]
fn the_schema_names_the_keys_of_the_table() {
    let schema = schema();
    let job = &schema["properties"]["jobs"]["additionalProperties"];
    let known: Vec<&str> = job["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(known, ["needs", "if", "steps", "run", "env", "timeout", "sandbox", "artifacts", "reports", "retry", "failure"]);
    assert_eq!(schema["required"], serde_json::json!(["on", "jobs"]));
    assert_eq!(job["additionalProperties"], false);
}

/// Whatever is cut off or changed, reading ends with a definition or with errors, and every place is in the file.
#[test]
fn damaged_files_are_read_without_a_crash() {
    let check = |bytes: &[u8]| {
        let (definition, diagnostics) = read(bytes);
        let failed = diagnostics.iter().any(|one| one.severity == Severity::Error);
        assert_eq!(definition.is_none(), failed, "{}", String::from_utf8_lossy(bytes));
        for one in &diagnostics {
            assert!(one.span.start <= one.span.end && one.span.end <= bytes.len());
            assert!(one.span.line >= 1 && one.span.column >= 1);
        }
        render("f", bytes, &diagnostics);
    };
    for end in (0..SHOP.len()).step_by(2) {
        check(&SHOP.as_bytes()[..end]);
    }
    let letters = b"{}[]:,'\"!&*#|>%@` \n\t-?x\xff\xc3";
    let mut seed = 7_usize;
    for _ in 0..1_500 {
        let mut bytes = SHOP.as_bytes().to_vec();
        for _ in 0..3 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (seed >> 33) % bytes.len();
            bytes[at] = letters[(seed >> 20) % letters.len()];
        }
        check(&bytes);
    }
}

#[test]
fn nothing_of_a_file_reaches_a_terminal_as_a_command() {
    let files = [
        "on: push\njobs:\n  a: { run: x, ru\u{202e}n: \u{2066}y }\n",
        "on: push\njobs: { a: { \"\\e[2J\": 1, run: \"\u{202e}\\e]0;x\" , needs: \"\\e[2J\" } }\n",
        "on: \x1b[2J\n",
    ];
    for file in files {
        let (_, diagnostics) = read(file.as_bytes());
        assert!(!diagnostics.is_empty(), "{file:?}");
        let shown = render("\u{202e}a\x1b[2J.yaml", file.as_bytes(), &diagnostics);
        assert!(!shown.contains(['\x1b', '\u{202e}', '\u{2066}']), "{shown:?}");
    }
}

#[test]
fn addresses_that_can_be_asked_are_taken() {
    let good = [
        "a",
        "a:1",
        "a.example:65535/x?y=z#w",
        "[::1]:8000/",
        "[fe80::1%25eth0]",
        "10.0.0.1",
        "ana:pw@a:80",
        "bücher.example",
        "${{ release.version }}:${{ release.version }}/x",
    ];
    for address in good {
        let file = format!(
            "on: push\njobs: {{ a: {{ run: x }} }}\nrelease: {{ version: calver }}\nenvironments: {{ e: {{ deploy: {{ kind: run, apply: x }}, verify: [{{ http: \"http://{address}\" }}] }} }}\n"
        );
        let (definition, diagnostics) = read(file.as_bytes());
        assert!(definition.is_some(), "{address}: {diagnostics:?}");
    }
}

#[test]
fn the_sandbox_of_the_defaults_holds_for_jobs_and_checks_that_name_none() {
    let text = "\
on: push
defaults: { sandbox: host }
jobs: { a: { run: x }, b: { run: x, sandbox: auto }, c: { run: x, sandbox: sandbox } }
release: { version: calver }
environments: { test: { deploy: { kind: run, apply: x }, verify: [{ run: x }, { run: x, sandbox: landlock }] } }
";
    let (definition, diagnostics) = read(text.as_bytes());
    let definition = definition.unwrap_or_else(|| panic!("{diagnostics:?}"));
    let jobs: Vec<&str> = definition.jobs.iter().map(|job| job.sandbox.word()).collect();
    assert_eq!(jobs, ["host", "auto", "sandbox"]);
    let checks = definition.environments[0].verify.iter().map(|check| match &check.check {
        Check::Run { sandbox, .. } => sandbox.word(),
        Check::Http(_) => "",
    });
    assert_eq!(checks.collect::<Vec<_>>(), ["host", "landlock"]);
    // What was asked for survives the plan's bytes; 'auto' leaves them as they were before the key.
    let bytes = serde_json::to_string(&definition).unwrap();
    assert_eq!(bytes.matches(r#""sandbox":"#).count(), 4, "{bytes}");
    assert_eq!(serde_json::from_str::<Definition>(&bytes).unwrap(), definition);
}
