//! Tables for the checker and the evaluator.

use super::{EvalError, Expression, Place, ProblemKind, Scope, Template, Type, Value, check, check_template, limit, names};
use crate::foundation::JobKey;

fn scope() -> Scope {
    let build = Value::map([("result", "passed".into()), ("outputs", Value::map([("image", "sha256:1".into())]))]);
    Scope::default()
        .with(
            "change",
            Value::map([
                ("revision", "0123abc".into()),
                ("branch", "main".into()),
                ("tag", "".into()),
                ("pull_request", 7.into()),
                ("target_branch", "".into()),
            ]),
        )
        .with("event", "push")
        .with("needs", Value::map([("build", build)]))
        .with("release", Value::map([("version", "2026.11.3".into())]))
}

fn evaluate(text: &str) -> Result<Value, EvalError> {
    Expression(text.to_owned()).evaluate(&scope())
}

fn keys(names: &[&str]) -> Vec<JobKey> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn expressions_have_these_values() {
    let text = |text: &str| Value::from(text);
    for (source, expected) in [
        ("change.branch == 'main'", true.into()),
        ("change.branch != \"main\" || event in ['push', 'manual']", true.into()),
        ("change.branch.startsWith('ma') && change.branch.endsWith('in') && change.branch.contains('ai')", true.into()),
        ("needs['build'].result == 'passed' && needs.build.outputs['image'].size() == 8", true.into()),
        ("has(needs.build.outputs.image) && !has(needs.build.outputs.other)", true.into()),
        ("'image' in needs['build'].outputs", true.into()),
        ("change.pull_request * 2 - 10 % 4 + 9 / 2", 16.into()),
        ("-change.pull_request < -6 && 3 >= 3 && 'a' < 'b'", true.into()),
        ("change.tag == '' ? 'v' + change.branch : change.tag", text("vmain")),
        ("[1, 2, 3].filter(n, n > 1).map(n, n * n)", Value::List(vec![4.into(), 9.into()])),
        ("[1, 2, 3].map(n, n > 1, n + 1)", Value::List(vec![3.into(), 4.into()])),
        ("[1, 2, 3].all(n, n > 0) && [1, 2].exists(n, n == 2) && ![].exists(n, true)", true.into()),
        ("{'b': 1, 'a': 2}.map(key, key)", Value::List(vec![text("a"), text("b")])),
        ("{'a': 2}['a'] + [5, 6][1]", 8.into()),
        ("size([1, 2] + [3]) == 3 && size({'a': 1}) == 1 && size('äö') == 2", true.into()),
        // The right side of a decided operator is not looked at.
        ("true || 1 / 0 == 1", true.into()),
        ("false && 1 / 0 == 1", false.into()),
        ("null", Value::Null),
        ("change.branch == 'main' // a comment", true.into()),
    ] {
        assert_eq!(evaluate(source), Ok(expected), "{source}");
    }
}

#[test]
fn evaluation_fails_with_a_reason() {
    for (source, expected) in [
        ("9223372036854775807 + 1", "9223372036854775807 + 1 overflows 64 bits"),
        ("-9223372036854775808 - 1", "-9223372036854775808 - 1 overflows 64 bits"),
        ("9223372036854775807 * 2", "9223372036854775807 * 2 overflows 64 bits"),
        ("-9223372036854775808 / -1", "-9223372036854775808 / -1 overflows 64 bits"),
        ("-(-9223372036854775808)", "-(-9223372036854775808) overflows 64 bits"),
        ("-9223372036854775808 % -1", "-9223372036854775808 % -1 overflows 64 bits"),
        ("1 / 0", "division by zero"),
        ("1 % 0", "division by zero"),
        ("nothing", "'nothing' is not known here"),
        ("needs['lint'].result", "there is no 'lint'; ask with has() or in first"),
        ("[1][1]", "there is no 'element 1'; ask with has() or in first"),
        ("[1][-1]", "there is no 'element -1'; ask with has() or in first"),
        ("1 + 'a'", "a number + a text has no meaning"),
        ("!1", "a number stands where true or false is needed"),
        ("true <", "not a CEL expression"),
    ] {
        let reason = evaluate(source).unwrap_err().to_string();
        assert!(reason.starts_with(expected), "{source}: {reason}");
    }
    assert!(Expression("1".to_owned()).is_true(&scope()).is_err());
}

#[test]
fn evaluation_ends_within_its_budget() {
    let ten = "[0,1,2,3,4,5,6,7,8,9]";
    let nested = format!("{ten}.all(a, {ten}.all(b, {ten}.all(c, {ten}.all(d, {ten}.all(e, true)))))");
    assert_eq!(evaluate(&nested), Err(EvalError::TooManySteps));
    // Doubling a text 20 times would make a megabyte of one byte.
    let doubled = (0..20).fold("'0123456789abcdef'".to_owned(), |inner, _| format!("[{inner}].map(x, x + x)[0]"));
    assert!(matches!(evaluate(&doubled), Err(EvalError::TooManySteps | EvalError::TooLarge(..))), "{:?}", evaluate(&doubled));
    let many = Value::List(vec![Value::Int(1); 2 * limit::STEPS_MAX]);
    let big = Scope::default().with("event", many);
    assert_eq!(Expression("event.all(x, true)".to_owned()).evaluate(&big), Err(EvalError::TooManySteps));
    assert_eq!(Expression("event == event".to_owned()).evaluate(&big), Err(EvalError::TooManySteps));
    let template = Template("${{ [1, 2, 3, 4].all(x, x > 0) }}".repeat(1_000));
    assert_eq!(template.render(&Scope::default()), Err(EvalError::TooManySteps));
    assert!(check_template(&"x".repeat(limit::VALUE_BYTES_MAX + 1), Place::PartEnv).is_err());
}

#[test]
fn hostile_texts_are_refused_without_a_crash() {
    let n = limit::TEXT_BYTES_MAX;
    for source in [
        "(".repeat(n),
        "[".repeat(n),
        "!-".repeat(n / 2 - 1) + "1",
        "a".to_owned() + &".b".repeat(n / 2 - 1),
        "1".to_owned() + &"+1".repeat(n / 2 - 1),
        "a?b:".repeat(n / 4 - 1) + "c",
        "a[".repeat(n / 2),
        "a(".repeat(n / 2),
        "{".repeat(n),
        "x".repeat(n + 1),
        String::new(),
    ] {
        assert!(evaluate(&source).is_err());
        assert!(check(&source, Place::Version { inputs: &[] }, &Type::Any).is_err());
    }
    // Pieces of the grammar in an order that nobody writes: anything but a crash.
    let pieces = [
        "a", ".", "b", "(", ")", "[", "]", "{", "}", "'", "\"", "?", ":", "&&", "in", "has", "map", ",", "!", "-", "1", "ä", "\\", "\n",
        "//", "r'", "`",
    ];
    let mut seed = 1_u64;
    for _ in 0..20_000 {
        let mut source = String::new();
        for _ in 0..12 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            source.push_str(pieces[usize::try_from(seed >> 33).unwrap() % pieces.len()]);
        }
        if let Err(problem) = check(&source, Place::Version { inputs: &[] }, &Type::Any) {
            assert!(source.get(problem.span.clone()).is_some(), "{source:?} {problem:?}");
        }
        let _ = evaluate(&source);
        let _ = Template(format!("${{{{ {source} }}}}")).render(&scope());
    }
}

#[test]
fn checking_finds_types() {
    let needs = keys(&["build"]);
    let place = Place::JobCondition { needs: &needs, inputs: &["build".to_owned()] };
    for (source, expected) in [
        ("change.branch", Type::Text),
        ("change.pull_request", Type::Int),
        ("needs['build'].outputs", Type::Map(Box::new(Type::Text))),
        ("needs.build.outputs.image", Type::Text),
        ("has(needs.build.outputs.image)", Type::Bool),
        ("['a'].map(x, size(x))", Type::List(Box::new(Type::Int))),
        ("[].exists(x, x == 'a')", Type::Bool),
        ("event == 'push' ? 1 : 2", Type::Int),
    ] {
        assert_eq!(check(source, place, &Type::Any), Ok(expected), "{source}");
    }
}

#[test]
fn checking_points_at_the_problem() {
    use ProblemKind::{NotHere, NotYet, Syntax, Type as Clash, UnknownName};
    let needs = keys(&["build"]);
    let place = Place::JobCondition { needs: &needs, inputs: &["build".to_owned()] };
    // The second text is what the span covers.
    for (source, piece, kind, message) in [
        ("change.brunch == 'main'", "brunch", UnknownName, "'change' has no field 'brunch'"),
        ("has(change.brunch)", "has", UnknownName, "'change' has no field 'brunch'"),
        ("true && branch == 'main'", "branch", UnknownName, "unknown name 'branch'"),
        ("github.ref == 'x'", "github", UnknownName, "unknown name 'github'"),
        ("always()", "always", UnknownName, "unknown function 'always'"),
        ("change.branch.matches('x')", "matches", UnknownName, "unknown function 'matches'"),
        ("needs['lint'].result == 'passed'", "'lint'", UnknownName, "'lint' is not in the needs"),
        ("needs.lint.result == 'passed'", "lint", UnknownName, "'lint' is not in the needs"),
        ("needs['build'].state == 'passed'", "state", UnknownName, "'needs['job']' has no field 'state'"),
        ("needs[change.branch].result == 'passed'", "change.branch", Clash, "what stands in brackets after 'needs' must be a plain text"),
        ("release.version == '1'", "release", NotHere, "'release' is not known in the condition of a job"),
        ("change.author == 'me'", "author", NotYet, "'change.author' is not yet in this version"),
        ("'x' in change.labels", "labels", NotYet, "'change.labels' is not yet in this version"),
        ("matrix.users == 1", "matrix", NotYet, "'matrix' is not yet in this version"),
        ("1.5 < 2", "1.5", NotYet, "fractions are not part of this version's expressions"),
        ("change.branch", "change.branch", Clash, "this is a text, but a boolean is needed"),
        ("change", "change", Clash, "'change' is not a value by itself"),
        ("needs['build'] == 'passed'", "needs['build'", Clash, "'needs['job']' is not a value by itself"),
        ("change.pull_request == '7'", "==", Clash, "a number is never equal to a text"),
        ("change.branch && true", "change.branch", Clash, "&& takes a boolean, but this is a text"),
        ("'a' in 'abc'", "in", Clash, "in looks into a list or a map"),
        ("[1, 'a'] == []", "[1, 'a'", Clash, "a number and a text do not go together"),
        ("change.branch = 'main'", "=", Syntax, "not a CEL expression"),
        ("event == 'push' and true", "and", Syntax, "not a CEL expression"),
        ("", "", Syntax, "the expression is empty"),
    ] {
        let problem = check(source, place, &Type::Bool).unwrap_err();
        assert_eq!(problem.kind, kind, "{source}: {problem:?}");
        assert!(problem.message.starts_with(message), "{source}: {problem:?}");
        let covered = &source[problem.span.clone()];
        assert!(covered == piece || (kind == Syntax && piece.starts_with(covered)), "{source}: covers {covered:?}, not {piece:?}");
    }
}

#[test]
fn templates_render_and_are_checked() {
    let render = |text: &str| Template(text.to_owned()).render(&scope());
    assert_eq!(render("plain } }} { $x"), Ok("plain } }} { $x".to_owned()));
    assert_eq!(render("v${{ release.version }}-${{change.pull_request}}!"), Ok("v2026.11.3-7!".to_owned()));
    assert_eq!(render("${{ '}}' + {'a': {'b': 'c'}}['a']['b'] }}"), Ok("}}c".to_owned()));
    assert!(render("${{ change }}").is_err());
    assert!(render("${{ release.version").is_err());
    assert!(Template("a } b".to_owned()).is_literal());
    assert!(!Template("${{ a }}".to_owned()).is_literal());

    assert_eq!(check_template("v${{ release.version }}", Place::CheckValue), Ok(()));
    let source = "ä ${{ release.version }} ${{ release.versoin }}";
    let problem = check_template(source, Place::CheckValue).unwrap_err();
    assert_eq!(&source[problem.span], "versoin");
    assert_eq!(check_template("a ${{ b", Place::CheckValue).unwrap_err().kind, ProblemKind::Template);
    assert_eq!(check_template("${{ change.branch }}", Place::CheckValue).unwrap_err().kind, ProblemKind::NotHere);
}

#[test]
fn mentioned_roots_are_found() {
    for (source, expected) in [
        ("needs['build'].result == 'failed'", true),
        ("[1].exists(needs, needs == 1)", false),
        ("'needs' == event", false),
        ("event == 'push' ? true : size(needs.a.outputs) > 1", true),
        ("needs[", false),
    ] {
        assert_eq!(Expression(source.to_owned()).mentions("needs"), expected, "{source}");
    }
}

#[test]
fn every_name_of_the_table_checks_somewhere() {
    let needs = keys(&["build"]);
    let places = [Place::JobCondition { needs: &needs, inputs: &["build".to_owned()] }, Place::CheckValue];
    for name in names() {
        let source = name.path.replace('*', "build");
        let found = places.iter().find_map(|place| check(&source, *place, &Type::Any).ok());
        assert_eq!(found, Some(name.value), "{source}");
    }
}

#[test]
fn values_are_plain_json() {
    let value = Value::map([("a", Value::List(vec![1.into(), Value::Null, true.into(), "x".into()]))]);
    let json = serde_json::to_string(&value).unwrap();
    assert_eq!(json, r#"{"a":[1,null,true,"x"]}"#);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
}
