import { defineConfig } from '@playwright/test'

// Debian's Chromium, which asks nobody outside for anything.
const quietly = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

export default defineConfig({
  testDir: 'e2e',
  outputDir: '.cache/browser',
  // Patience, since machines that test are busy: how fast pages are is measured elsewhere.
  timeout: 120_000,
  expect: { timeout: 25_000 },
  workers: 2,
  fullyParallel: true,
  forbidOnly: Boolean(process.env['CI']),
  reporter: [['list']],
  use: {
    launchOptions: { executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: quietly },
    locale: 'en-GB',
    timezoneId: 'UTC',
    trace: 'retain-on-failure',
    actionTimeout: 25_000,
  },
  projects: [
    { name: 'browser', testIgnore: ['screenshots.spec.ts', 'speed.spec.ts'] },
    { name: 'screenshots', testMatch: 'screenshots.spec.ts' },
    { name: 'speed', testMatch: 'speed.spec.ts' },
  ],
})
