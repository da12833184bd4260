// The Chinese words as one piece.

import common from "./zh/common.ftl?raw";
import day from "./zh/day.ftl?raw";
import job from "./zh/job.ftl?raw";

export default [common, day, job];
