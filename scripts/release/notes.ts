/**
 * Finds what CHANGELOG.md says of a version.
 * @throws {Error} when it has no section for it
 */
export function releaseNotes(changelog: string, version: string): string {
  const sections = changelog.split(/^(?=## )/m);
  const section = sections.find((text) => /^## (\S+?),?\s/.exec(text)?.[1] === version);
  if (section === undefined) throw new Error(`CHANGELOG.md has no section for ${version}`);
  return section.trim() + "\n";
}
