//! Releases.

use super::run::commit;
use super::{decode, missing, row, rows};
use crate::about::About;
use crate::shared::{Failure, Shared};
use trunkline_api::request::Intended;
use trunkline_api::view::{ReleaseRef, ReleaseView};
use trunkline_domain::foundation::{EnvironmentName, ProjectKey, ReleaseId};
use trunkline_domain::reading::{ReleaseRow, Table, numbered};
use trunkline_domain::record::{Key, State};
use trunkline_domain::release::Release;
use trunkline_engine::Read as _;

/// Releases of one version that are named to choose from.
const SAME_VERSION_MAX: u32 = 20;

/// The newest releases, before a number.
pub fn releases(shared: &Shared, project: &ProjectKey, before: Option<u32>, limit: u32) -> Result<Vec<ReleaseView>, Failure> {
    let found: Vec<ReleaseRow> = rows(shared, Table::Release, project, before, limit)?;
    found.into_iter().map(|row| by_id(shared, row.id)).collect()
}

/// One release by number, version or alias.
pub fn release(shared: &Shared, project: &ProjectKey, name: &str) -> Result<ReleaseView, Failure> {
    by_id(shared, find_release(shared, project, name)?.id)
}

/// Finds a release by number, version, alias or digest. The newest of several with the same alias is meant; a version that
/// several have names none of them, since a wrong guess would be deployed.
pub fn find_release(shared: &Shared, project: &ProjectKey, name: &str) -> Result<ReleaseRow, Failure> {
    let number: Option<u32> = match name.parse() {
        Ok(number) => Some(number),
        Err(_) => of_version(shared, project, name)?,
    };
    if let Some(number) = number
        && let Some(found) = row(shared, Table::Release, &numbered(project, number))?
    {
        return Ok(found);
    }
    let (mut before, mut newest) = (None, None);
    loop {
        let page: Vec<ReleaseRow> = rows(shared, Table::Release, project, before, super::PAGE_MAX)?;
        let Some(last) = page.last() else {
            return Err(missing(shared, project, (About::Release, format!("release '{name}' of project {project}")), newest));
        };
        newest = newest.or(page.first().map(|first| first.number));
        before = Some(last.number);
        if let Some(found) = page.into_iter().find(|release| release.alias == name || release.manifest.to_string() == name) {
            return Ok(found);
        }
    }
}

/// The number of the one release that has this version.
fn of_version(shared: &Shared, project: &ProjectKey, version: &str) -> Result<Option<u32>, Failure> {
    let key = format!("{project}/{version}");
    let history = shared.reader.row_history(Table::Version, &key, SAME_VERSION_MAX)?;
    let mut numbers: Vec<u32> = history.iter().map(|(_, body)| decode(Table::Version, &key, body)).collect::<Result<_, _>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    match numbers.as_slice() {
        [] => Ok(None),
        [number] => Ok(Some(*number)),
        several => {
            let several: Vec<String> = several.iter().map(u32::to_string).collect();
            let which = several.join(", ");
            Err(Failure::Invalid(
                About::Release,
                format!("'{version}' is the version of several releases of project {project}: say which by its number, {which}"),
            ))
        }
    }
}

/// A release by its id.
pub fn by_id(shared: &Shared, id: ReleaseId) -> Result<ReleaseView, Failure> {
    let release = state(shared, id)?;
    let cut = &release.cut;
    Ok(ReleaseView {
        project: cut.project.clone(),
        release: reference(id, &release),
        at: release.at,
        run: cut.run_number,
        commit: commit(shared, &cut.revision, &cut.change)?,
        statement: cut.statement,
        delivery_file: cut.delivery_file,
        artifacts: cut.artifacts.clone(),
        files: cut.files.iter().map(|file| file.path.clone()).collect(),
        configuration: cut.environments.iter().filter_map(|one| Some((one.name.clone(), one.configuration?))).collect(),
        environments: cut.environments.iter().map(|environment| environment.name.clone()).collect(),
        verified: release.verified.clone(),
        forbidden: cut.environments.iter().filter(|one| release.veto_for(&one.name).is_some()).map(|one| one.name.clone()).collect(),
    })
}

/// A release's state by its id.
pub fn state(shared: &Shared, id: ReleaseId) -> Result<Release, Failure> {
    match shared.state(&Key::Release(id))? {
        Some(State::Release(release)) => Ok(release),
        _ => Err(Failure::NotFound(About::Release, format!("release {id}"))),
    }
}

/// That this release would be deployed there.
pub fn intended(shared: &Shared, environment: EnvironmentName, id: ReleaseId) -> Result<Intended, Failure> {
    Ok(Intended { environment, release: reference(id, &state(shared, id)?) })
}

/// A release, named.
pub fn reference(id: ReleaseId, release: &Release) -> ReleaseRef {
    let cut = &release.cut;
    ReleaseRef {
        id,
        number: cut.number,
        version: cut.version.clone(),
        alias: cut.alias.clone(),
        digest: cut.manifest,
        vetoed_from: release.vetoes.iter().map(|veto| veto.from.clone()).collect(),
    }
}

/// A release, named, from its row.
pub fn release_ref(row: &ReleaseRow) -> ReleaseRef {
    ReleaseRef {
        id: row.id,
        number: row.number,
        version: row.version.clone(),
        alias: row.alias.clone(),
        digest: row.manifest,
        vetoed_from: row.vetoes.iter().map(|veto| veto.from.clone()).collect(),
    }
}
