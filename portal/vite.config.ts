import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// "npm run dev" serves the sources, and asks a Berth of "make run" for the rest.
const berth = process.env['BERTH'] ?? 'http://127.0.0.1:8080'
const doors = ['/api', '/c', '/v2', '/service', '/chartrepo']

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '~': fileURLToPath(new URL('src', import.meta.url)) } },
  html: { cspNonce: undefined },
  build: {
    // public/.gitkeep comes along, so that Git still has the folder.
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0, // the policy lets no data through but pictures
    modulePreload: { polyfill: false },
    target: 'es2023',
    manifest: 'manifest.json',
    // Few files: each that loads others on demand has all their names, which do not pack well.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: 'routes', test: /src\/(pages\/.*\/route|app\/roots)\.tsx?$/ },
            { name: 'icons', test: /node_modules\/@tabler\// },
            { name: 'base', test: /node_modules\//, minShareCount: 30 },
            { name: 'parts', test: /src\/(parts|api)\//, minShareCount: 8 },
          ],
        },
      },
    },
  },
  server: { proxy: Object.fromEntries(doors.map((door) => [door, { target: berth }])) },
  test: { include: ['src/**/*.test.{ts,tsx}'], environment: 'node' },
})
