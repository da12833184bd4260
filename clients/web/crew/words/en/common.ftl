# Words of the whole app: truth, ticket states and kinds, names of facts, and faults.

app-name = Lamplighter
back = Back
close = Close
cancel = Cancel
continue = Continue
understood = OK
try-again = Try again
loading = Reading this phone…
tabs = Main screens
tab-today = Today
tab-queue = Queue
tab-score = Score
tab-learn = Learn

pill-waiting = { $waiting } waiting · HQ { $hq }
pill-sending = Sending { $waiting } · HQ { $hq }
pill-needs = { $count } { $count ->
    [one] needs
   *[other] need
  } you · HQ { $hq }
pill-all = HQ has all · { $hq }
pill-never = not yet

truth-saved = Saved on phone
truth-waiting = Waiting
truth-sending = Sending
truth-sending-percent = Sending { $percent } %
truth-hq-has-it = HQ has it
truth-needs-you = Needs you

saved-line = Saved on phone: { $fact } { $at }

span-hours = { $hours } h { $minutes }
span-days = { $days ->
    [one] { $days } day
   *[other] { $days } days
  }

ticket-unnamed = New ticket

state-received = Received
state-dispatched = Dispatched
state-accepted = Accepted
state-en-route = On the way
state-on-site = On site
state-working = Working
state-completed = Completed
state-callback = Call back
state-archived = Archived
state-suspended = Suspended
state-returned = Returned
state-reopened = To be reworked
state-merged = Merged
state-cancelled = Cancelled

kind-fault-repair = Fault repair
kind-meter-install = New meter
kind-temp-supply = Temporary supply
kind-rename = Rename
kind-transfer = Transfer of account
kind-supply-change = Change of supply
kind-expansion-lv = Low-voltage connection
kind-expansion-hv-single = 10 kV connection, one feed
kind-expansion-hv-dual = 10 kV connection, two feeds
kind-metering-fault = Metering fault
kind-hazard = Hazard
kind-consultation = Consultation
kind-usage-info = Usage information
kind-hardship-help = Help in hardship
kind-planned-outage-notice = Planned outage
kind-complaint = Complaint
kind-reconnection = Reconnection

area-class-urban = Urban
area-class-rural = Rural
area-class-remote = Remote


fault-not-saved = This was not saved: try again. Everything that said “Saved on phone” before is still here.
fault-storage-full = This was not saved: the phone is full. Delete photos or videos of other apps, then try again.
fault-photo-empty = This photo is empty; take it again.
fault-photo-too-large = HQ takes no photo of this size; take it again in a smaller size.
fault-no-rating-key = This phone has no key to seal a rating yet. Sync once, or let the customer rate on their own phone.
fault-answer-too-long = That is too long; please write less.
fault-unsent = Some things are only on this phone, and signing out would lose them. Sync first, or export a rescue file.
fault-bad-code = The enrolment code is wrong, used or expired. Ask your lead for a new one.
fault-unreachable = The server cannot be reached. Check the connection and try again.
fault-foreign-server = Something other than our server answered (perhaps a Wi-Fi login page). Nothing is lost.
fault-store-too-new = A newer version of the app wrote the data on this phone; update the app first. Everything is still here.
fault-bad-value = Something is outside its limits; check it and try again.
fault-not-a-bundle = This file is neither a rescue file nor the reply to one.
fault-unexpected = Something unexpected happened. Everything that said “Saved on phone” is still here; close the app and open it again.
photo-bytes = Photo original
part-missing = This part of the app is not on the phone yet. Open it once where there is signal; everything recorded is still here.
