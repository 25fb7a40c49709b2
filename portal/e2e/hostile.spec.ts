import { alpine, pushChart, pushImage } from './content'
import { expect, heading, test } from './fixtures'

// What anybody who may push can write is shown as text. The fixtures' "clean"
// fails for what the policy would have had to stop: that is only the second line.
const attacks = ['<img src=x onerror="window.__xss=1">', '<script>window.__xss=1</script>', 'javascript:window.__xss=1']
const attack = attacks.join(' ')

test('what is hostile in an image, a chart, a description or a name is shown, and nothing runs', async ({ page, berth, signIn, unique }) => {
  const project = unique('hostile')
  await berth.createProject(project)
  const { project_id } = (await berth.api('GET', `/projects/${project}`)) as { project_id: number }
  const digest = pushImage(berth, `${project}/app:1`, {
    layers: [alpine({ [attacks[0] ?? '']: attacks[1] ?? '' })],
    annotations: { [attack]: attack, link: 'javascript:window.__xss=1', 'org.opencontainers.image.title': attack },
    config: { author: attack, config: { Env: [attack], Cmd: [attack], Labels: { [attack]: 'javascript:window.__xss=1' }, ExposedPorts: { [attack]: {} } } },
    history: [{ created: attack, created_by: attack, author: attack, comment: attack }],
  })
  pushChart(berth, project, {
    'Chart.yaml': `apiVersion: v2\nname: chart\nversion: 1.0.0\ndescription: ${JSON.stringify(attack)}\nhome: "javascript:window.__xss=1"\nicon: https://elsewhere.example/icon.png\nkeywords: [${JSON.stringify(attack)}]\n`,
    'values.yaml': `# ${attack}\nkey: ${JSON.stringify(attack)}\n`,
    'README.md': `# Title ${attack}\n\n[click](javascript:window.__xss=1) [other](JaVaScRiPt:window.__xss=1) [data](data:text/html,x) [out](https://elsewhere.example/)\n\n![picture](https://elsewhere.example/p.png)\n\n<a href="javascript:window.__xss=1">raw</a>\n\n<svg onload="window.__xss=1">\n\n<javascript:window.__xss=1>\n\n| a |\n|---|\n| ${attack} |\n\n- [ ] ${attack}\n`,
  })
  await berth.api('PUT', `/projects/${project}/repositories/app`, { description: `${attack}\n\n[click](javascript:window.__xss=1) ![p](https://elsewhere.example/p.png)` })
  await berth.api('POST', '/labels', { name: attacks[0], color: '#123456', scope: 'p', project_id, description: attack })
  const [label] = (await berth.api('GET', `/labels?scope=p&project_id=${project_id}`)) as { id: number }[]
  await berth.api('POST', `/projects/${project}/repositories/app/artifacts/${digest}/labels`, { id: label?.id })
  await signIn()

  const elsewhere: string[] = []
  page.on('request', (r) => { if (!r.url().startsWith(berth.url) && !r.url().startsWith('blob:')) elsewhere.push(r.url()) })
  page.on('dialog', (d) => { elsewhere.push(d.message()); void d.dismiss() })
  const at = `/projects/${project}/repositories`
  for (const [path, seen] of [
    [`${at}/app`, attacks[0]],
    [`${at}/app/artifacts/1`, attack],
    [`${at}/app/artifacts/1/history`, attack],
    [`${at}/app/artifacts/1/tags`, '1'],
    [`${at}/app/artifacts/1/vulnerabilities`, 'Not scanned yet'],
    [`${at}/app/artifacts/1/accessories`, 'No accessories'],
    [`${at}/chart/artifacts/1.0.0`, attack],
    [`${at}/chart/artifacts/1.0.0/content`, 'Title'],
    [`/search?q=${encodeURIComponent(attack)}`, attack],
  ] as const) {
    await page.goto(path)
    await expect(heading(page, /./)).toBeVisible()
    await expect(page.getByText(seen ?? '').first(), path).toBeVisible()
    await page.waitForLoadState('networkidle')
    expect(await page.evaluate(() => (window as { __xss?: unknown }).__xss), path).toBeUndefined()
    const main = page.getByRole('main')
    expect(await main.locator('script, iframe, object, embed, svg[onload], [onerror], [onload]').count(), path).toBe(0)
    // Links lead to pages of ours, or by http to others and say nothing of us there.
    for (const link of await main.locator('a').all()) {
      const [href = '', rel] = [(await link.getAttribute('href')) ?? '', await link.getAttribute('rel')]
      expect(href, path).toMatch(/^(\/|https?:)/)
      if (!href.startsWith('/')) expect(rel, href).toBe('noopener noreferrer nofollow')
    }
    expect(await main.locator('img').count(), path).toBe(0)
  }
  expect(elsewhere).toEqual([])
})
