// What test/dead-code asks of exports, files and packages: that something uses them.

/**
 * Of everything, an export that no other file uses is a finding. Of the program alone (`--production`), one that no
 * program file uses, its own included: then only tests keep it.
 */
export default ({ production = false }) => ({
  ignoreExportsUsedInFile: production,
  entry: [
    // Those of bundle.js, each a process.
    'cli/main.ts!',
    'cli/preflight/replay-process.ts!',
    'cli/query/query-process.ts!',
    'cli/ui/door-process.ts!',
    'enforcer/container/container-reader-process.ts!',
    'fleet/agent/agent-process.ts!',
    'profiler/store/store-child.ts!',
    'bundle.js',
    'packaging/*.js',
    'test/**/*.ts',
  ],
  project: [
    '{bpf,cli,daemon,enforcer,error,fleet,format,generator,host,output,policy,profiler}/**/*.ts!',
    'packaging/*.js',
    'test/**/*.ts',
  ],
  ignoreDependencies: [
    // @duckdb/node-api, which is in the bundle, loads it.
    '@duckdb/node-bindings',
    // Of these files are read, not imported: a draft of JSON Schema, what a browser is given.
    'ajv-draft-04',
    'axe-core',
    // Run by a script of package.json, with which knip is run itself.
    'c8',
  ],
  ignoreIssues: {
    // The mirror of wire.h has all that is there.
    'bpf/wire.ts': ['exports'],
    // `npm run bench:generate` holds rules against each other that the program does not all use.
    'generator/readiness.ts': ['exports'],
  },
});
