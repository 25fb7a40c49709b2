import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from '@playwright/test'
import type { Berth } from './berth'
import { test as base } from './fixtures'
import { artifactPages, furnishArtifacts } from './furnish-artifacts'
import { furnishAdministration } from './furnish-administration'
import { furnishOperations } from './furnish-operations'
import { furnishTabs } from './furnish-tabs'

/** A page as it is looked at by axe and photographed: a line for each. */
export interface Shown {
  name: string // of the picture
  path: string // with {NAME} for what furnish made
  stranger?: boolean // without having signed in
  opens?: string // a dialog: the button's text, as NAMESPACE:KEY
  wait?: string // a text that the page has when it is all there; its name in the languages is the same
}

export const pages: Shown[] = [
  { name: 'signin', path: '/signin', stranger: true },
  { name: 'projects', path: '/projects', wait: 'harbour-tools' },
  { name: 'project-summary', path: '/projects/harbour-tools', wait: 'docker push' },
  { name: 'project-repositories', path: '/projects/harbour-tools/repositories', wait: 'crane/operator' },
  { name: 'project-empty', path: '/projects/empty-quay/repositories', wait: 'docker push' },
  { name: 'project-members', path: '/projects/harbour-tools/members', wait: 'anna' },
  { name: 'project-labels', path: '/projects/harbour-tools/labels', wait: 'production' },
  { name: 'project-scanner', path: '/projects/harbour-tools/scanner', wait: 'Berth' },
  { name: 'project-retention', path: '/projects/harbour-tools/policy', wait: 'v*' },
  { name: 'project-retention-run', path: '/projects/harbour-tools/policy/runs/{retention}', wait: 'tide-table' },
  { name: 'project-immutability', path: '/projects/harbour-tools/policy/immutability', wait: 'v*' },
  { name: 'project-trust', path: '/projects/harbour-tools/policy/trust', wait: 'release-key' },
  { name: 'project-robots', path: '/projects/harbour-tools/robots', wait: 'robot$harbour-tools+ci' },
  { name: 'project-webhooks', path: '/projects/harbour-tools/webhooks', wait: 'build-notice' },
  { name: 'project-webhook', path: '/projects/harbour-tools/webhooks/1', wait: 'http://127.0.0.1:9/hook' },
  { name: 'project-logs', path: '/projects/harbour-tools/logs', wait: 'release-key' },
  { name: 'project-configuration', path: '/projects/harbour-tools/configuration', wait: 'cosign' },
  { name: 'artifacts', path: '/projects/harbour-tools/repositories/crane%2Foperator', wait: '1.4.2' },
  ...artifactPages,
  { name: 'users', path: '/users', wait: 'ada@example.com' },
  { name: 'groups', path: '/groups', wait: 'dock-workers' },
  { name: 'robots', path: '/robots', wait: 'pipeline' },
  { name: 'registries', path: '/registries', wait: 'antwerp' },
  { name: 'replications', path: '/replications', wait: 'nightly' },
  { name: 'replication-rule', path: '/replications/1', wait: 'library/**' },
  { name: 'replication-execution', path: '/replications/1/executions/{replication}', wait: 'harbour-tools/ropes' },
  { name: 'labels', path: '/labels', wait: 'approved' },
  { name: 'profile', path: '/profile' },
  { name: 'about', path: '/about', wait: 'Harbor' },
  { name: 'overview', path: '/overview', wait: 'night-shift' },
  { name: 'security', path: '/security' },
  { name: 'exports', path: '/exports' },
  { name: 'scanners', path: '/interrogation', wait: 'Berth' },
  { name: 'scan-all', path: '/interrogation/scan-all' },
  { name: 'advisories', path: '/interrogation/advisories' },
  { name: 'allowlist', path: '/interrogation/allowlist', wait: 'CVE-2026-0001' },
  { name: 'quotas', path: '/quotas', wait: 'night-shift' },
  { name: 'garbage', path: '/clean-up', wait: '0 0 0 * * *' },
  { name: 'log-rotation', path: '/clean-up/log-rotation' },
  { name: 'queues', path: '/job-service', wait: 'SBOM' },
  { name: 'schedules', path: '/job-service/schedules', wait: '0 0 0 * * *' },
  { name: 'workers', path: '/job-service/workers' },
  { name: 'audit-log', path: '/audit-log', wait: 'admin' },
  { name: 'settings', path: '/settings' },
  { name: 'settings-system', path: '/settings/system' },
  { name: 'settings-audit', path: '/settings/audit-log', wait: 'pull_artifact' },
  { name: 'not-found', path: '/nowhere' },
  { name: 'projects-new', path: '/projects', opens: 'projects:create.open' },
  { name: 'members-new', path: '/projects/harbour-tools/members', opens: 'members:add.open' },
  { name: 'labels-new', path: '/projects/harbour-tools/labels', opens: 'labels:create.open' },
  { name: 'scanner-change', path: '/projects/harbour-tools/scanner', opens: 'projectScanner:change.open' },
  { name: 'retention-new', path: '/projects/harbour-tools/policy', opens: 'retention:rule.add' },
  { name: 'retention-schedule', path: '/projects/harbour-tools/policy', opens: 'retention:schedule.edit' },
  { name: 'immutability-new', path: '/projects/harbour-tools/policy/immutability', opens: 'immutability:create.open' },
  { name: 'trust-new', path: '/projects/harbour-tools/policy/trust', opens: 'trust:create.open' },
  { name: 'project-robots-new', path: '/projects/harbour-tools/robots', opens: 'robots:create.open' },
  { name: 'webhooks-new', path: '/projects/harbour-tools/webhooks', opens: 'webhooks:create.open' },
  { name: 'users-new', path: '/users', opens: 'users:create.open' },
  { name: 'groups-new', path: '/groups', opens: 'groups:create.open' },
  { name: 'robots-new', path: '/robots', opens: 'robots:create.open' },
  { name: 'registries-new', path: '/registries', opens: 'registries:create.open' },
  { name: 'replications-new', path: '/replications', opens: 'replications:create.open' },
  { name: 'scanners-new', path: '/interrogation', opens: 'interrogation:scanner.new' },
  { name: 'exports-new', path: '/exports', opens: 'security:exports.new' },
  { name: 'quotas-default', path: '/quotas', opens: 'quotas:defaultEdit' },
]

/** Goes to a page, in a language and a colour scheme, and waits until all of it is there. */
export type Visit = (page: Page, shown: Shown, language: string, colorScheme: 'light' | 'dark') => Promise<void>

/** Tests of every page: what there is to see on them is made once for a worker. */
export const test = base.extend<object, { visit: Visit }>({
  visit: [async ({ berth }, use) => use(await furnish(berth)), { scope: 'worker', timeout: 300_000 }],
})

/** Makes what there is to see on the pages, and returns what visits them. */
async function furnish(berth: Berth): Promise<Visit> {
  await berth.createProject('harbour-tools')
  await berth.createProject('empty-quay')
  await berth.createProject('public-images', true)
  await berth.api('POST', '/projects', { project_name: 'night-shift', storage_limit: 20 * 1024 ** 3 })
  for (const tag of ['1.4.0', '1.4.1', '1.4.2']) berth.push(`harbour-tools/crane/operator:${tag}`)
  berth.crane('tag', `${berth.host}/harbour-tools/crane/operator:1.4.2`, 'latest')
  for (const name of ['tide-table', 'lighthouse', 'pilot/radio', 'ropes']) berth.push(`harbour-tools/${name}:v1`)
  berth.push('public-images/alpine:3.22')
  await furnishArtifacts(berth)
  const replication = await furnishAdministration(berth)
  await furnishOperations(berth)
  const retention = await furnishTabs(berth, 'harbour-tools')
  return async (page, shown, language, colorScheme) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.goto('/berth.svg')
    await page.evaluate((l) => localStorage.setItem('berth.language', l), language)
    await page.goto(shown.path.replace('{replication}', String(replication)).replace('{retention}', String(retention)))
    await page.getByRole('heading', { level: 1 }).first().waitFor()
    if (shown.wait) await page.getByText(shown.wait).first().waitFor()
    await page.waitForLoadState('networkidle')
    if (shown.opens) {
      await page.getByRole('button', { name: said(language, shown.opens), exact: true }).first().click()
      await page.getByRole('dialog').waitFor()
      await page.waitForLoadState('networkidle')
      // What fades in has other colours until it is there.
      await page.waitForFunction(() => document.getAnimations().every((a) => a.playState !== 'running' || a.effect?.getTiming().iterations === Infinity))
    }
  }
}

/** A text of the portal in a language: said('en', 'projects:create.open'). */
function said(language: string, text: string): string {
  const [namespace = '', key = ''] = text.split(':')
  let found: unknown = JSON.parse(readFileSync(join(import.meta.dirname, `../src/lang/${language}/${namespace}.json`), 'utf8'))
  for (const name of key.split('.')) found = (found as Record<string, unknown>)[name]
  return String(found)
}
