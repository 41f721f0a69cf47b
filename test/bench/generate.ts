// `npm run bench:generate`: the generator against known answers, on public data beside the repository.
import { benchBudgets } from './generate/budget.ts';
import { benchCalibration } from './generate/calibration/calibration.ts';
import { Checks } from './generate/check.ts';
import { readData } from './generate/data.ts';
import { benchMessyHost } from './generate/made/messy.ts';
import { benchNames } from './generate/names.ts';
import { benchPareto } from './generate/front.ts';
import { benchPrefixes } from './generate/prefixes.ts';
import { benchRecord } from './generate/record.ts';
import { benchRules } from './generate/rules.ts';
import { benchScale } from './generate/scale.ts';

const checks = new Checks();
if (readData('ipsum_ipv4.txt.gz') === undefined) {
  console.log(
    'The data sets are not beside the repository (or in $BOUHEKI_DATA): only what is made here is measured.',
  );
}
benchPrefixes(checks);
benchRules(checks);
benchScale(checks);
benchCalibration(checks);
benchPareto(checks);
benchNames(checks);
benchMessyHost(checks);
benchBudgets(checks);

await benchRecord(checks);
console.log(checks.failed === 0 ? 'All as it should be.' : `${checks.failed} not as they should be.`);
process.exitCode = checks.failed === 0 ? 0 : 1;
