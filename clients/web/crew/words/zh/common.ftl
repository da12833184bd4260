# 全应用共用的词：真实状态、工单状态与类别、记录名称、故障说明。

app-name = 点灯人
back = 返回上一页
close = 关闭
cancel = 取消
continue = 继续
understood = 知道了
try-again = 再试一次
loading = 正在读取本机……
tabs = 主要页面
tab-today = 今日
tab-queue = 队列
tab-score = 积分
tab-learn = 学习

pill-waiting = { $waiting } 条待传 · 总部 { $hq }
pill-sending = 上传中 { $waiting } · 总部 { $hq }
pill-needs = { $count } 条需处理 · 总部 { $hq }
pill-all = 全部已收 · 总部 { $hq }
pill-never = 尚未联系

truth-saved = 已存本机
truth-waiting = 排队
truth-sending = 上传中
truth-sending-percent = 上传中 { $percent } %
truth-hq-has-it = 总部已收
truth-needs-you = 需处理

saved-line = 已存本机：{ $fact } { $at }

span-hours = { $hours } 小时 { $minutes } 分
span-days = { $days } 天

ticket-unnamed = 新工单

state-received = 已受理
state-dispatched = 已派单
state-accepted = 已接单
state-en-route = 已出发
state-on-site = 已到场
state-working = 处理中
state-completed = 已完成
state-callback = 回访中
state-archived = 已归档
state-suspended = 已挂起
state-returned = 已退回
state-reopened = 退回重办
state-merged = 并入主单
state-cancelled = 已作废

kind-fault-repair = 故障报修
kind-meter-install = 居民装表接电
kind-temp-supply = 临时用电
kind-rename = 更名
kind-transfer = 过户
kind-supply-change = 变更用电
kind-expansion-lv = 低压业扩
kind-expansion-hv-single = 10 kV 单电源业扩
kind-expansion-hv-dual = 10 kV 双电源业扩
kind-metering-fault = 计量异常
kind-hazard = 设备隐患
kind-consultation = 咨询
kind-usage-info = 用电信息
kind-hardship-help = 弱势群体帮扶
kind-planned-outage-notice = 计划停电公告
kind-complaint = 投诉
kind-reconnection = 复电

area-class-urban = 城区
area-class-rural = 农村
area-class-remote = 边远


fault-not-saved = 没有存上：请再试一次。此前标明“已存本机”的内容都在。
fault-storage-full = 没有存上：手机空间已满。请删除其他应用的照片或视频，再试一次。
fault-photo-empty = 这张照片没有内容，请重拍。
fault-photo-too-large = 照片太大，总部无法接收，请用较小尺寸重拍。
fault-no-rating-key = 本机还没有评价封存密钥。请先联网同步一次，或请客户用自己的手机评价。
fault-answer-too-long = 内容太长，请写短一些。
fault-unsent = 还有内容只在这部手机上，现在退出会丢失。请先同步或导出救援文件。
fault-bad-code = 登记码错误、已用或已过期。请向班长要一个新的登记码。
fault-unreachable = 联系不上服务器。请检查网络后再试。
fault-foreign-server = 应答的不是我们的服务器（可能是公共 Wi-Fi 的登录页）。没有任何内容丢失。
fault-store-too-new = 本机数据由更新版本的应用写成，请先更新应用。内容都在。
fault-bad-value = 有一项内容超出限制，请检查后再试。
fault-not-a-bundle = 这个文件不是救援文件，也不是其回执。
fault-unexpected = 应用出了意外。标明“已存本机”的内容都在；请关闭后重新打开。
photo-bytes = 照片原图
part-missing = 应用的这一部分还不在本机。请在有信号处打开一次；本机记录都在。
