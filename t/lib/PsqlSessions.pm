package PsqlSessions;
# psql sessions that stay open, through the proxy.
use strict;
use warnings;

use Exporter qw(import);
use IPC::Run ();
use StolonLab;

our @EXPORT = qw(open_sessions answered_without_error);

# So many, each with an answer from the master.
sub open_sessions {
	my ($lab, $count) = @_;
	return map {
		my $session = bless { in => "select 'open';\n", out => '', err => '' };
		$session->{run} = IPC::Run::start([ $lab->client_exec, 'psql', '-XAtq', '-d', $lab->dsn('proxy') ],
			'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err}, IPC::Run::timeout(90));
		$session->{run}->pump until $session->{out} =~ /open/;
		$session;
	} 1 .. $count;
}

# Sends a statement, and does not wait for the answer.
sub ask {
	my ($self) = @_;
	$self->{in} .= "select 'answered';\n";
	StolonLab::poll_until('the statement is sent', sub { $self->{run}->pump_nb; !length $self->{in} });
	return;
}

# Ends the sessions: each has had its answers, and no error.
sub answered_without_error {
	for my $session (@_) {
		$session->{run}->finish;
		Test::More::is($session->{out}, "open\nanswered\n", 'a session has its answer');
		Test::More::is($session->{err}, '', '... and no error');
	}
	return;
}

1;
