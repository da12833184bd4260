// The English words as one piece.

import common from "./en/common.ftl?raw";
import day from "./en/day.ftl?raw";
import job from "./en/job.ftl?raw";

export default [common, day, job];
