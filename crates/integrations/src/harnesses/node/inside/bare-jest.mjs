// jest's words as global functions and its own `expect`, in an ordinary node process: no realm of its own, no registry
// of modules, no stack of jest's. Files go through the project's own transforms.

import { createRequire } from 'node:module';
import path from 'node:path';
import { Unsupported, nothing, only } from './bare-words.mjs';
const require = createRequire(import.meta.url);
const { orders, root } = require('./chain.cjs');
const { inside } = require('./jest-hooks.cjs');

const OPTIONS = { supportsDynamicImport: false, supportsExportNamespaceFrom: false, supportsStaticESM: false, supportsTopLevelAwait: false, collectCoverage: false, collectCoverageFrom: [], coverageProvider: 'v8', isInternalModule: false, instrument: false };

export async function prepare({ words, module }) {
  process.env.NODE_ENV ??= 'test';
  const runner = inside(orders.home);
  const cli = createRequire(createRequire(path.join(orders.home, 'package.json')).resolve('jest-cli'));
  const argv = cli('jest-cli/package.json') && cli('jest-cli').buildArgv([...orders.args, '--runInBand']);
  const { configs } = await cli('jest-config').readConfigs(argv, [root]);
  const config = configs[0];
  if (configs.length > 1 || config.resolver || !/jest-environment-node|^node$/.test(config.testEnvironment)) throw new Unsupported('this configuration');
  const runtime = createRequire(runner.resolve('jest-runtime'));
  const { ModuleMocker } = runtime('jest-mock');
  const { ModernFakeTimers, LegacyFakeTimers } = runtime('@jest/fake-timers');
  const circus = createRequire(createRequire(cli.resolve('jest-config')).resolve('jest-circus'));
  const { jestExpect: expect } = circus('@jest/expect');
  const each = circus('jest-each');
  const transformer = await runner('@jest/transform').createScriptTransformer({ ...config, cacheDirectory: '/tmp/jest-bare' }, new Map());
  const mocker = new ModuleMocker(globalThis);
  const timers = new ModernFakeTimers({ config, global: globalThis });

  const { test, describe } = words;
  for (const word of [test, describe]) {
    const bound = each.bind((title, body) => word(title, body));
    const rows = (...table) => { const give = bound(...table); return (title, body) => give(title, body); };
    word.each = rows;
    Object.assign(word.only, { each: rows });
  }
  const jest = only({
    fn: mocker.fn.bind(mocker), spyOn: mocker.spyOn.bind(mocker), isMockFunction: mocker.isMockFunction.bind(mocker), mocked: (value) => value,
    ...(mocker.replaceProperty && { replaceProperty: mocker.replaceProperty.bind(mocker) }),
    clearAllMocks: () => (mocker.clearAllMocks(), jest), resetAllMocks: () => (mocker.resetAllMocks(), jest), restoreAllMocks: () => (mocker.restoreAllMocks(), jest),
    useFakeTimers: (options) => { if (options?.legacyFakeTimers || options === 'legacy') throw new Unsupported('old timers'); timers.useFakeTimers(options); return jest; },
    useRealTimers: () => (timers.useRealTimers(), jest), setTimeout: () => jest, retryTimes: () => jest,
    ...Object.fromEntries(['advanceTimersByTime', 'advanceTimersByTimeAsync', 'advanceTimersToNextTimer', 'clearAllTimers', 'getTimerCount', 'runAllTimers', 'runAllTimersAsync', 'runOnlyPendingTimers', 'runOnlyPendingTimersAsync', 'setSystemTime', 'getRealSystemTime', 'now', 'runAllTicks'].filter((name) => typeof timers[name] === 'function').map((name) => [name, timers[name].bind(timers)])),
  });
  void LegacyFakeTimers;
  const { before, after } = words;
  const globals = { test, it: test, describe, beforeAll: before, afterAll: after, beforeEach: words.beforeEach, afterEach: words.afterEach, expect, jest, xit: nothing, xtest: nothing, xdescribe: nothing, fit: test, fdescribe: describe };
  Object.assign(globalThis, globals);
  orders.callbacks = true;

  compile(module, transformer, config);
  redirect(module, config.moduleNameMapper ?? [], globals);
  const own = createRequire(path.join(root, 'package.json'));
  for (const file of [...(config.setupFiles ?? []), ...(config.setupFilesAfterEnv ?? [])]) own(file);
  return {
    begin() {
      expect.setState({ assertionCalls: 0, expectedAssertionsNumber: null, isExpectingAssertions: false });
      if (config.clearMocks) mocker.clearAllMocks();
      if (config.resetMocks) mocker.resetAllMocks();
      if (config.restoreMocks) mocker.restoreAllMocks();
      timers.useRealTimers();
      if (config.fakeTimers?.enableGlobally) timers.useFakeTimers();
    },
    end() {
      const [unmet] = expect.extractExpectedAssertionsErrors();
      if (unmet) throw unmet.error;
    },
    load: async (file) => {
      if (/@jest-environment(?!\s+node\b)/.test(require('node:fs').readFileSync(file, 'utf8').slice(0, 2000))) throw new Unsupported('another environment');
      return own(file);
    },
  };
}

/** The project's own transforms for its own files. */
function compile(module, transformer, config) {
  for (const ending of config.moduleFileExtensions.map((name) => `.${name}`).filter((name) => /^\.([cm]?[jt]s|[jt]sx)$/.test(name))) {
    const plain = module._extensions[ending] ?? module._extensions['.js'];
    module._extensions[ending] = function (own, file) {
      if (!file.startsWith(`${root}/`) || file.includes('/node_modules/')) return plain(own, file);
      return own._compile(transformer.transform(file, { ...OPTIONS, changedFiles: undefined, sourcesRelatedToTestsInChangedFiles: undefined }).code, file);
    };
  }
}

function redirect(module, mapper, globals) {
  const load = module._load;
  module._load = function (name, ...rest) {
    if (name === '@jest/globals') return globals;
    for (const [shape, target] of mapper) {
      const match = new RegExp(shape).exec(name);
      if (!match) continue;
      if (Array.isArray(target)) throw new Unsupported('several targets');
      return load.call(this, target.replace(/\$(\d+)/g, (_, i) => match[i] ?? ''), ...rest);
    }
    return load.call(this, name, ...rest);
  };
}
