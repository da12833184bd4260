# The shell and the screens of the day: today, ticket, arrive, queue, changed by HQ, score, learn, settings, enrol, start, raise.

save = Save
ticket = Ticket
ticket-not-here = This ticket is not on the phone. It may have gone to another crew.
to-today = Back to Today
to-ticket = Open the ticket
in-own-words = In your own words (optional)

# browser and address
floor-title = It cannot run here yet
floor-insecure = The address { $address } is not secure, so the browser gives no keys, no offline use and no camera. Nothing was stored here, and nothing is lost.
floor-old = This browser lacks the following. Without them data could be lost, so the app does not start.
floor-how = Two ways to get there
floor-tls = Ask the administrator to start the server with a certificate (HTTPS):
floor-adb = Or connect the phone to the server's computer by cable and open http://localhost:{ $port }/crew/ :
floor-browsers = Use Chrome, Edge or WebView 111, Safari 16.4 or Firefox 115, or newer, and leave private browsing.
lack-secure = an HTTPS or localhost address
lack-indexeddb = IndexedDB (storage on the phone)
lack-webcrypto = WebCrypto (signing keys)
lack-compression = CompressionStream (packed uploads)
lack-service-worker = Service worker (opening without signal)

# today
next-card = Next: { $number }
later = After that
no-address = No address
no-jobs = No tickets on this phone. They come as soon as there is signal.
all-done = Every ticket on this phone is done.
jobs-on-phone = { $count ->
    [one] 1 job on phone
   *[other] { $count } jobs on phone
  }
done-count = { $count } done
card-asks = { $photos ->
    [one] 1 photo
   *[other] { $photos } photos
  } · { $done }/{ $steps } steps · rating
phone-ready = Phone ready
start-open = Start shift: check the phone
raise-open = Raise a ticket
do-accept = Accept
do-depart = Depart
do-arrive = I have arrived
do-start = Start
do-start-safety = Start safety check
do-work = Go on working
do-resume = Resume work
do-rate = Ask for a rating
due-left = { $left } left
due-past = { $name }: limit passed at { $at }
due-driving = No countdown on the road. Drive safely.
limit-arrive = Arrive
limit-accept = Accept
limit-complete = Complete
limit-answer = Answer
limit-contact = Contact the customer
limit-visit = Visit
limit-acknowledge = Acknowledge
limit-make-safe = Make safe
limit-callback = Call back
limit-publish = Publish
limit-remind = Remind
limit-to-crew = To the crew
changes-count = { $count ->
    [one] HQ changed one thing
   *[other] HQ changed { $count } things
  }
changes-see = See what changed
clock-slow = The phone’s clock is { $minutes } min slow. Countdowns follow HQ’s time; set the phone to automatic time.
clock-fast = The phone’s clock is { $minutes } min fast. Countdowns follow HQ’s time; set the phone to automatic time.
update-ready = A new version is on the phone. You decide when to use it.
update-apply = Update now

# ticket
safety = Safety
safety-always = Switch off, prove dead, earth and hang the sign before any work.
vulnerable-customer = Vulnerable customer: take special care.
sensitive-customer = Sensitive customer: talk to them before switching off.
emergency = Emergency { $phone }
call = Call
navigate = Navigate
navigate-system = Open in the phone's maps
navigate-amap = Open in Amap
copy-position = Copy { $position }
copied = Copied.
datum-note = Coordinates are WGS-84. A map with another datum shows them a few hundred metres off.
where-am-i = Where am I, how far is it
sketch-told = The address is { $distance } away, to the { $direction }
sketch-direction = { $direction } of you
sketch-key = The dot is you, the square is the address, north is up.
compass-n = north
compass-ne = north-east
compass-e = east
compass-se = south-east
compass-s = south
compass-sw = south-west
compass-w = west
compass-nw = north-west
steps = Five steps
step-accepted = Accepted
step-departed = Departed
step-arrived = Arrived
step-started = Work started
step-finished = Finished
step-open = Not yet
details = Details
more = Other actions
open-guide = Work guide
open-camera = Take a photo
open-amend = Correct customer data
open-note = Write a note
open-material = Record material
open-suspend = Suspend
open-return = Return
field-number = Ticket number
field-customer-name = Customer
field-contact-phone = Contact phone
field-account-no = Account no.
field-meter-asset-no = Meter no.
field-transformer-area = Transformer area
field-feeder = Feeder
field-ownership = Ownership
field-remarks = Remarks
field-address = Address
field-position = Position
field-fault-class = Fault class
field-cause = Cause
field-received-at = Received
field-appointment = Appointment
field-state = state
field-answers = answer
field-rating = rating
field-finished = finishing time
field-arrived = arrival time
fault-class-lv-outage-household = Low-voltage outage, one household
fault-class-lv-outage-building = Low-voltage outage, one building
fault-class-lv-outage-area = Low-voltage outage, a whole area
fault-class-mv-outage = Medium-voltage line outage
fault-class-voltage-quality = Voltage quality
fault-class-meter-fault = Meter fault
fault-class-line-down = Line down
fault-class-transformer-fault = Transformer fault
fault-class-public-lighting = Street light fault
fault-class-equipment-hazard = Equipment hazard
fault-class-customer-side = Fault on the customer's side
fault-class-misreport = False report
cause-equipment-ageing = Ageing equipment
cause-equipment-defect = Equipment defect
cause-overload = Overload
cause-loose-connection = Loose connection
cause-blown-fuse = Blown fuse
cause-breaker-tripped = Breaker tripped
cause-cable-damage = Cable damage
cause-lightning = Lightning
cause-wind-or-ice = Wind or ice
cause-flood = Flood
cause-tree-contact = Tree contact
cause-animal-contact = Animal contact
cause-third-party-damage = Damage by others
cause-meter-wiring = Wrong meter wiring
cause-unpaid-disconnection = Disconnected for arrears
cause-customer-equipment = Customer's own equipment
cause-upstream-outage = Outage upstream
cause-no-fault-found = No fault found
cause-other = Other
amend-note = Only what you change is recorded. If the office changed it too, both values stay and the office decides.
nothing-changed = Go back
note-text = Note
note-empty = Write something first.
material-name = Material
material-name-empty = Write the name of the material.
material-quantity = Quantity
material-quantity-wrong = The quantity must be more than 0.
material-unit = Unit
material-used = Recorded on this visit
unit-piece = pcs
unit-metre = m
unit-set = set
unit-kilogram = kg

# arrive
arrive-title = Arrive
arrive-not-yet = Press “I have arrived” when you are there. The time is recorded at once, without waiting for a position.
arrived-recorded = Arrival time recorded
position-searching = Looking for a position; no need to wait.
position-is = Position ±{ $now } m
position-better = Position ±{ $first } m → ±{ $now } m
no-fix-refused = No position: the browser may not use it. The arrival counts all the same.
no-fix-unavailable = No position: this phone cannot tell it now. The arrival counts all the same.
no-fix-timeout = No position within half a minute. The arrival counts all the same.
no-pin = The ticket has no coordinates to compare with.
distance-from = { $distance } from the address
far-note = You are far from the ticket's address. One word on why speaks for you; without it you can go on all the same.
far-why = Far away: say why
far-moved = Customer meets elsewhere
far-pin = Ticket's pin is wrong
far-street = Line or equipment is elsewhere
far-signal = Position is wrong, I am there
far-blocked = Road blocked, on foot
far-record = Arrived { $distance } from the address: { $reason }
far-told = The reason is recorded.
time-proof-good = Time proof: good, this phone has HQ's time
time-proof-none = Time proof: none yet, it comes with the first contact

# queue
queue-title = Queue
queue-empty = Nothing waits; HQ has everything.
queue-totals = { $facts } { $facts ->
    [one] record
   *[other] records
  } and { $photos } { $photos ->
    [one] photo
   *[other] photos
  } waiting, { $needs } { $needs ->
    [one] needs
   *[other] need
  } you
queue-phone = This phone
queue-more = and { $count } more
send-now = Send now
sync-talking = Talking to HQ.
sync-uploading = Sending photos.
sync-uploading-percent = Sending photos, { $percent } %.
sync-waiting = Everything is on the phone and waits for the next try.
next-try = Next try by itself at { $at }
heard-at = Newest signed receipt of HQ: { $at }
heard-never = HQ has not yet given a signed receipt.
trouble-offline = There is no signal, or no way to HQ. Everything is safe on the phone and goes by itself when there is.
trouble-foreign = Something other than our server answered, most likely a Wi-Fi login page. Log in to that Wi-Fi first, or use mobile data.
trouble-busy = The server is busy; the phone tries again by itself.
trouble-internal = The server has an error; the phone tries again by itself.
trouble-quota = This phone has used up its quota for now; it tries again by itself.
trouble-update = This version is too old to receive tickets; what was recorded still goes through. Update in Settings.
trouble-unknown-device = HQ does not know this phone. Everything is still here; call your lead.
trouble-sign-in = A new token is needed; the phone tries again by itself.
trouble-forbidden = HQ refused this phone's request. Everything is still here; call your lead.
trouble-other = HQ did not take it now. Everything is on the phone; it tries again by itself.
why-state = The office decides which course of the job counts.
why-field = Someone else wrote something different; the office decides.
why-after-reassignment = Written after the job went to another crew; the office decides.
why-after-cancelled = Written after the job was cancelled; the office decides.
why-after-archived = Written after the job was archived; the office decides.
why-decided-against = The office decided for another version; yours is kept.
why-unknown-photo = HQ has no record that names this photo yet; it is sent again by itself.
why-bad-hash = The photo was damaged on the way; it is sent again by itself.
why-bytes-missing = The photo is no longer on this phone and may be lost.
why-too-large = HQ takes no photo of this size.
why-foreign-ticket = This ticket was never your crew's; the office looks at it.
why-unknown-ticket = HQ has no such ticket; the office looks at it.
why-revoked-author = The phone or member is no longer active; a person must release it.
why-bad-time = The phone's clock was clearly wrong; a person must check it.
why-bad-field = Something does not fit its limits; a person must check it.
why-unknown-kind = HQ's version is older; it is judged again after an update.
why-future-version = HQ's version is older; it is judged again after an update.
why-unknown = HQ has it safely; a person must look at it.
rescue-title = Rescue file
rescue-why = When no network comes, save what HQ does not have to a file and bring it to the office or to another phone. Photos too large for it stay here and follow later.
rescue-export = Save rescue file
rescue-import = Bring in a file or reply
rescue-nothing = There is nothing to save; HQ has everything.
rescue-written = { $lines } { $lines ->
    [one] record is
   *[other] records are
  } in the file { $name }.
rescue-delivered = Delivered to HQ: { $lines } { $lines ->
    [one] record
   *[other] records
  }.
rescue-taken = Reply taken: HQ has { $lines } more { $lines ->
    [one] record
   *[other] records
  }.

# changed by HQ
changes-title = Changed by HQ
changes-intro = What you recorded stays; nothing is overwritten or deleted.
changes-open = Changed by HQ
changes-none = Nothing changed.
told-reassigned = HQ gave { $number } to { $crew } at { $at }.
told-gone = { $number } is no longer with you.
told-handled = { $number } was already handled by { $crew } at { $at }; no need to go.
told-cancelled = HQ cancelled { $number } ({ $reason }).
told-contest = { $number } has two values for { $fields }; both are kept and the office decides.
mine-safe = Your { $mine } { $count ->
    [one] is safe and counts
   *[other] are safe and count
  } for you.
mine-decided = Your { $mine } { $count ->
    [one] stays
   *[other] stay
  }, and the office decides.
mine-none = No need to go.
mine-arrival = arrival
mine-photos = { $photos ->
    [one] 1 photo
   *[other] { $photos } photos
  }
mine-records = records
mine-and = {" and "}
told-fact = “{ $fact }” on { $number }: { $why }
notice-fork = HQ holds another continuation of this phone's journal. Both are kept, and a new journal has begun.
notice-restored = This phone's data came back from an older backup. Both are kept, and a new journal has begun.
notice-server-regressed = HQ came back from a backup and knows less than before. What this phone holds is sent again; go on as usual.
notice-lines-missing = HQ lacks some records that this phone no longer keeps. Call your lead to check.

# score
score-none = No points yet. They appear here, each explained, once a finished job has synced.
score-undated = Earlier
score-appeal-title = Do you disagree?
score-appeal = You may appeal within five working days. For now, do it with your lead and name the ticket.
score-note = Points are provisional until the ticket is archived. HQ computes them by the published rule and says why for each.
entry-provisional = Provisional
entry-held = Held
entry-reversal = Reversed
entry-confirmation = Confirmed

# learn
learn-guides = Work guides on this phone
learn-none = No work guides on this phone yet; they come with the next sync.
learn-steps = { $count } steps · version { $version }
learn-for = For { $kinds } · version { $version }
learn-any = every kind of ticket
learn-safety = Safety
learn-normal = Normal { $low }–{ $high } { $unit }
learn-later = Lessons and quizzes are not built yet; they will be here later.

# raise
raise-title = Raise a ticket
raise-told = The dispatcher told me by phone
raise-number = Ticket number you were told
raise-number-hint = After the sync your records belong to that ticket.
raise-kind = Kind
raise-signs = What you see
raise-where = Use my position
raise-at = Position { $lat }, { $lon } ±{ $accuracy } m
raise-save = Save ticket on phone
raise-fault = Choose a kind; if you were told by phone, the ticket number is enough.
sign-no-power = No power
sign-line-down = Line on the ground
sign-smell = Burning smell or smoke
sign-meter-dark = Meter is dark
sign-tree = Tree touches the line
sign-pole = Leaning pole
sign-other = Other

# start shift
start-title = Start shift
start-testing = Checking the phone…
start-look = A few things need you first
start-do = Start shift
start-protect = Ask to protect
start-allow = Allow
check-installed-good = The app is installed.
check-installed-look = The app is not installed: in a browser tab its data may be cleared.
check-persisted-good = Storage is protected, also when the phone runs short of space.
check-persisted-look = Storage is not protected: the browser may clear it when space runs short. Sync often.
check-writes-good = Writing and reading work.
check-writes-look = Nothing can be written: free some space and try again.
check-signs-good = Signing works.
check-signs-look = The signing key does not work: call your lead.
check-tickets-good = { $tickets } { $tickets ->
    [one] ticket
   *[other] tickets
  } and { $guides } { $guides ->
    [one] guide
   *[other] guides
  } are on the phone.
check-tickets-look = No tickets on the phone (guides: { $guides }): send once before you leave.
check-room-good = { $free } MB free.
check-room-look = Only { $free } MB free: records fit, photos may not. Free some space.
check-position-good = Position is allowed; it is read at arrival and such moments only.
check-position-look = Position is not allowed: arrivals count all the same, without a place to show. Allow it in the browser's site settings.
check-camera-good = The camera is allowed.
check-camera-look = The camera is not allowed yet: the first photo will ask. Allow it in the browser's site settings.

# settings
settings-open = Settings
settings-title = Settings
settings-language = Language
settings-theme = Colours
theme-auto = As the phone
theme-sun = Sun (white)
theme-night = Night (dark)
settings-storage = Storage
settings-room = { $free } MB free; { $tickets } { $tickets ->
    [one] ticket
   *[other] tickets
  } and { $guides } { $guides ->
    [one] guide
   *[other] guides
  } on the phone.
settings-check = Check the phone
settings-phone = This phone
settings-member = Member
settings-device = Device
settings-head = Journal head
settings-server = Server
settings-version = Version
update-check = Check for an update
update-asked = Checked. A new version is offered on Today, and you decide when to use it.
update-unreachable = The server cannot be reached, so updates cannot be checked now.
sign-out = Sign out of this phone
sign-out-unsent = { $unsent } { $unsent ->
    [one] thing is
   *[other] things are
  } only on this phone and would be lost. Sync first; without network, save a rescue file.
sign-out-photos = { $photos } { $photos ->
    [one] photo has
   *[other] photos have
  } not been sent. Make sure the rescue file is in a safe place before you sign out.
sign-out-note = Signing out removes tickets, records and keys from this phone; a new code is needed to use it again.
sign-out-now = Sign out and clear this phone
sign-out-stay = Stay signed in

# enrol, install, wiped
enrol-title = Enrol this phone
enrol-intro = Enrol once, and it works without signal from then on. Enrolling needs a connection.
enrol-code = Enrolment code
enrol-code-hint = Ask your lead, for example 7K3QM-D09XT. Capitals and spaces do not matter.
enrol-code-wrong = A code has 10 letters and digits; check it.
enrol-name = Name of this phone
enrol-name-hint = So that the office can tell it apart.
enrol-name-default = Crew phone
enrol-pin = PIN (4–6 digits)
enrol-pin-hint = It leads back from the customer's rating screen. It stays on this phone.
enrol-pin-wrong = A PIN has 4 to 6 digits.
enrol-pin-again = PIN again
enrol-pin-differs = The two PINs differ.
enrol-do = Enrol
notice-title = What this app keeps about you
notice-what = What: when you accept, depart, arrive, answer, take photos and finish, with your name and crew.
notice-where = Where: first on this phone, then on your company's own server; nobody else gets it.
notice-position = Position: read once at departure, arrival and such moments, never a trail; you may refuse it.
notice-rating = Customer ratings: sealed to HQ; crews cannot read a single one.
notice-who = Automatic scoring: points follow a rule, each is explained, and you may ask for a person to review it.
notice-rights = Your rights: to see, correct, copy and appeal; ask your lead or the administrator.
notice-read = I have read this
notice-please = Read the notice and tick the box first.
install-title = Install first
install-do = Install the app
install-why = Installed, its data are safer: in a browser tab they may be cleared.
install-why-menu = Better choose “Install app” or “Add to home screen” in the browser's menu before enrolling. In a tab the data may be cleared.
install-apple-why = On an iPhone or iPad the app on the home screen has a storage of its own. Install first, then enrol inside the installed app.
install-apple-1 = Press Share below in Safari.
install-apple-2 = Choose Add to Home Screen.
install-apple-3 = Open Lamplighter from the home screen and enter the code there.
install-go-on = Enrol without installing
wiped-title = This phone's storage was cleared
wiped-safe = Nothing was lost: HQ had { $stated } of { $n } records.
wiped-safe-do = Enrol again with a new code; the tickets come back.
wiped-lost = { $lost } { $lost ->
    [one] record
   *[other] records
  } may be lost: HQ had { $stated } of { $n }.
wiped-lost-do = Do not enrol yet; call your lead now. A rescue file or a backup of the phone can still bring it back; without one, tell your lead what had not been sent.
wiped-why = The browser's data were cleared, or the system made room. Installing the app and protecting its storage prevents this.
wiped-go-on = Enrol again
