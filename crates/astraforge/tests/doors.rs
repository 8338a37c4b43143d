//! The real program at its doors: started as a process, spoken to over HTTP, killed, asked wrongly, and searched for leaks.
//!
//! Nothing is replaced but the model's words, which come from a script.

mod doors {
    mod house;
    mod http;
    mod source;
    mod upstream;

    mod canaries;
    mod closed_output;
    mod conflict;
    mod events;
    mod evidence;
    mod kill_dash_nine;
    mod life;
    mod postgres;
    mod toolkit;
    mod watch;
    mod wrong_input;
}
