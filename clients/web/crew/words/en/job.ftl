# The screens of a job: guide, camera, signature, scan, hand over to the customer, done, suspend and return.

list-comma = , { "" }
job-not-here = This job is not on this phone.

guide-title = Work guide
guide-none-title = Work on site
guide-none = There is no guide for this kind of job. Take the photos and notes it needs, then finish.
guide-steps = All steps
guide-steps-title = All steps · { $done } of { $total } done
guide-cannot = Can’t do
guide-skip = Skip
guide-next = Next
guide-read = Read, next
guide-tick = Done
guide-save = Save
guide-save-value = Save { $value } { $unit }
guide-save-count = Save ({ $count } chosen)
guide-safety = Safety step: no work before it is done
guide-safety-short = Safety
guide-state-done = Answered
guide-state-cannot = Can’t be done
guide-state-required = Open, required
guide-state-open = Open, optional
guide-given = Answered already
guide-given-done = Done
guide-given-not-done = Not done
guide-given-cannot = Can’t be done: { $reason }
guide-text = Your text
guide-entry = Number entered
guide-normal = Normal { $low }–{ $high } { $unit }
guide-last = Last time { $value } { $unit } ({ $when })
guide-suggested = Values saved with one tap
guide-really = { $value } { $unit } is outside the normal range. Really?
guide-really-yes = Yes, { $value } { $unit }
guide-fault-required = Nothing entered yet. If it cannot be done, tap “Can’t do” and say why.
guide-fault-not-a-number = This is not a number.
guide-fault-not-whole = A whole number is needed here.
guide-fault-not-offered = That choice is no longer offered; please choose again.
guide-fault-constraint = This does not fit what the step asks for; please check.
guide-none-ready = Before you finish
guide-ready = All required steps are answered
guide-missing = { $count ->
    [one] One required step is still open.
   *[other] { $count } required steps are still open.
}
guide-to-missing = Go to the open step
guide-result = Result (optional)
guide-result-text = Add words
guide-result-words = More about the result
guide-more-photo = Take another photo
guide-more-note = Write a note
guide-finish = Finish the job
guide-finish-open = Finish anyway
guide-anyway-title = Finish now?
guide-anyway = { $count ->
    [one] One required step has no answer.
   *[other] { $count } required steps have no answer.
} You can finish; HQ will see what is missing.
guide-anyway-safety = { $count ->
    [one] One required step has no answer, and it is a safety step.
   *[other] { $count } required steps have no answer, safety steps among them.
} You can finish, but the office will have to decide about this job.
guide-back-to-job = Back to the job
guide-finished = Finished by { $who } at { $time }.
guide-hand-over = Ask the customer to rate

result-restored = Supply restored
result-repaired = Fault repaired
result-connected = Meter fitted, supply on
result-temporary = Temporary fix, come again
result-customer-side = Customer’s own fault, told them
result-no-fault = Nothing wrong found

cannot-title = Can’t be done: why?
cannot-safety = This is a safety step. If it cannot be done, stop work and call your lead.
cannot-why = Reason
cannot-absent = Not there on site
cannot-no-access = Cannot reach it
cannot-unsafe = Not safe
cannot-customer = Customer refuses
cannot-damaged = Equipment damaged
cannot-no-tool = Tool or part missing
cannot-no-phone = Trouble with the phone
cannot-weather = Weather or light
cannot-text = More (optional)
cannot-nothing = Choose a reason, or write one.
cannot-save = Save and go on

keypad = Number pad
keypad-back = Delete one digit
keypad-point = Decimal point
keypad-minus = Plus or minus

shows-before = Before
shows-after = After
shows-meter = Meter
shows-document = Document
shows-other = Other

camera-title = Photos
camera-view = Viewfinder: { $what }
camera-shoot = Photo
camera-opening = Opening the camera…
camera-saving = Saving…
camera-torch-on = Light
camera-torch-off = Light off
camera-shows = What it shows
camera-shots = Photos to take
camera-done = Done
camera-thumb = Photo, { $what }, { $time }
camera-no-preview = Kept as it is, no preview
camera-last = The photo just taken
camera-kept = It is saved on the phone and stays.
camera-blurred = Looks blurred. Take another?
camera-undecodable = This phone cannot show this format; the photo is kept as it is.
camera-another = Take another
camera-go-on = Go on with this one
camera-first-stays = { $count ->
    [one] One photo taken; another one is added and this one stays.
   *[other] { $count } photos taken; another one is added and all of them stay.
}
camera-system = Use the phone’s camera app
camera-try-again = Try the camera again
camera-trouble-refused = The browser has not allowed the camera. Use the phone’s camera app, or allow it in the browser’s settings and try again.
camera-trouble-absent = No camera was found. Use the phone’s camera app, or choose “Can’t do” and say why.
camera-trouble-busy = Another app is using the camera. Close it and try again, or use the phone’s camera app.
camera-trouble-insecure = This address is not HTTPS, so the browser gives no camera. Use the phone’s camera app.
camera-storage-full = Answers and numbers can still be saved. On Wi-Fi, send what waits first, then take the photo again.
camera-send-now = Send now

scan-title = Scan a code
scan-view = Viewfinder for codes
scan-look = Hold the bar code or QR code in view
scan-found = Read: { $code }
scan-code = Code (or type it)
scan-type-instead = You can type the code below.
scan-save = Save { $code }
scan-matches = This is the meter on the ticket.
scan-differs = The ticket names meter { $expected }. Please check; if it is so, save it.
scan-note = Scanned: { $code }

signature-title = Signature
signature-paper = Signature
signature-how = Sign with a finger inside the white box.
signature-clear = Sign again
signature-save = Save the signature
signature-empty = There is no signature yet.

handover-title = Customer’s rating
handover-word = Best on the customer’s own phone: let them scan the code. Or hand over this phone. The crew never sees the answer.
handover-here = Rate on this phone
handover-scanned = Scanned, go on
handover-why-not = Customer away or refuses
handover-pin = Choose a PIN first
handover-pin-word = While the customer rates, this phone shows nothing else. This PIN leads back out.
handover-rated = The rating of this visit is closed and recorded.

own-phone-title = Rate on your own phone
own-phone-qr = QR code of the rating page
own-phone-scan = Scan with your own phone to rate
own-phone-word = The code needs no signal on this phone; the phone that scans it does. Valid for 14 days.
own-phone-none = The rating code of this job has not reached this phone yet. It comes with the next sync; the customer can rate on this phone now.

why-not-which = What happened
why-not-away = Customer is away
why-not-declined = Customer refuses to rate
why-not-why = Reason
why-not-nobody = Nobody at home
why-not-told-by-phone = Told by phone
why-not-left = Customer left
why-not-public = Public equipment, no customer
why-not-no-time = No time
why-not-unwilling = Does not want to
why-not-cannot-use = Cannot use the phone
why-not-text = More (optional)
why-not-nothing = Choose what happened and a reason.
why-not-save = Record and go on

rating-title = How was our service?
rating-level-5 = Very satisfied
rating-level-4 = Satisfied
rating-level-3 = Fairly satisfied
rating-level-2 = Dissatisfied
rating-level-1 = Very dissatisfied
rating-why = What went wrong? (optional, choose any)
rating-reason-late = Came too late
rating-reason-not-fixed = The problem is not solved
rating-reason-manner = Unfriendly
rating-reason-unclear = Not explained clearly
rating-reason-mess = Left a mess
rating-private = The crew cannot see this answer.
rating-code-have = I have a service code
rating-code = Service code (6–8 characters, from the text message)
rating-send = Send
rating-choose-first = Please choose one of the five first.
rating-saving = Sending
rating-saving-wait = One moment…
rating-thanks = Thank you
rating-thanks-word = Your answer is sealed and saved. Please hand the phone back to the crew.
rating-closed = This rating is closed
rating-closed-word = Please hand the phone back to the crew.
rating-hand-back = Hand back to the crew
rating-still-there = Still there?
rating-still-there-word = After another minute without a touch this rating will be closed.
rating-go-on = Go on
rating-unsaved = Not saved yet
rating-unsaved-word = Your answer is not saved yet. It is still on this page; please try again.
rating-unsaved-key = This phone has no key to seal your answer yet and must sync once. Your answer is still on this page.
rating-sync = Sync, then send

lock-crew = Crew
lock-title = Crew: enter your PIN
lock-wrong = That PIN is wrong. Try again.
lock-wait = Too many wrong tries: wait { $seconds } s.
lock-back = Back to the rating
lock-forgot = Forgot the PIN?
lock-reset-wait = Stay on this page: in { $minutes }:{ $seconds } the PIN can be reset. A note about it goes on the job.
lock-reset-ready = The PIN can be reset now. A note about it goes on the job.
lock-reset = Reset the PIN
lock-reset-note = Customer’s screen: PIN forgotten, reset on this phone after waiting 5 minutes.
lock-new = Choose a new PIN

pin-choose = Enter a new PIN of { $min } to { $max } digits.
pin-again = Enter it once more.
pin-differs = The two differ; start again.
pin-short = At least { $min } digits
pin-dots = { $count } digits entered

taking-back-title = No rating yet
taking-back-word = The customer can go on. If there will be no rating, record why; HQ sees it.
taking-back-on = Let the customer go on

done-whole = HQ has everything
done-safe = All of this job is saved on the phone
done-safe-word = It is sent by itself when there is a signal; no need to wait here.
done-counts = Where everything of this job is
done-where = Where
done-facts = Facts
done-photos = Photos
done-send = Send now
done-rate = Ask the customer to rate
done-next = Next job: { $place }
done-today = Back to today
done-accepted = Accepted
done-departed = Set out
done-arrived = Arrived
done-started = Started
done-finished = Finished

pause-title = Suspend the job
pause-word = The job stays on this phone and can go on at any time. Everything recorded is kept.
pause-why = Reason
pause-material = Waiting for material
pause-customer = Waiting for the customer
pause-weather = Weather
pause-permit = Waiting for a permit
pause-power = Waiting for switching
pause-safety = Not safe
pause-other-crew = Another crew is needed
pause-text = More (optional)
pause-nothing = Choose a reason, or write one.
pause-save = Suspend
pause-is-suspended = This job is suspended.
pause-resume = Resume work

return-title = Return the job
return-word = The office will give it to another crew. Your arrival, photos and answers are kept and count for you.
return-why = Reason
return-wrong-specialty = Wrong specialty
return-not-as-described = Not as described
return-no-access = No access
return-other = Other
return-text = More
return-choose = Choose a reason.
return-say = For “Other” please write a sentence.
return-save = Return
