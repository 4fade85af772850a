# A client that speaks PostgreSQL's protocol itself, for what psql cannot send: fast-path function calls, portals that are
# run in parts, pipelines; and for what has to be seen message by message. Plain connections with trust authentication.
package RawSession;

use strict;
use warnings;

use IO::Select ();
use IO::Socket::INET ();
use Time::HiRes qw(time);

# Logs in to a FencedServer (or anything with a {port}) and waits until it is ready.
sub new {
	my ($class, $server, %options) = @_;
	my $self = bless { buffer => '' }, $class;
	$self->{socket} = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->{port}) or die "no connection: $!\n";
	my %parameters = (user => 'postgres', database => 'postgres', %options);
	my $text = join('', map { "$_\0$parameters{$_}\0" } sort keys %parameters) . "\0";
	$self->write_bytes(pack('NN', length($text) + 8, 196608) . $text);
	my @messages = $self->until_ready;
	die "login failed: " . error_of(@messages) . "\n" if error_of(@messages);
	return $self;
}

sub write_bytes {
	my ($self, $bytes) = @_;
	local $SIG{PIPE} = 'IGNORE';
	syswrite $self->{socket}, $bytes;
	return $self;
}

# Sends messages, each [type, body].
sub send {
	my ($self, @messages) = @_;
	return $self->write_bytes(join '', map { $_->[0] . pack('N', length($_->[1]) + 4) . $_->[1] } @messages);
}

sub query { return [ Q => "$_[0]\0" ] }
sub parse { return [ P => "\0$_[0]\0" . pack('n', 0) ] }
sub bind_portal { return [ B => ($_[0] // '') . "\0\0" . pack('nnn', 0, 0, 0) ] }
sub execute { return [ E => ($_[1] // '') . "\0" . pack('N', $_[0] // 0) ] }
sub flush { return [ H => '' ] }
sub sync { return [ S => '' ] }

# A fast-path call of the function with this oid; arguments are texts.
sub call {
	my ($oid, @arguments) = @_;
	return [ F => pack('Nnnn', $oid, 1, 0, scalar @arguments)
		. join('', map { pack('N', length) . $_ } @arguments) . pack('n', 0) ];
}

# The next message as [type, body]; undef after $seconds without one; ['', ''] when the connection has ended.
sub message {
	my ($self, $seconds) = @_;
	my $end = time + ($seconds // 60);
	while (1) {
		if (length $self->{buffer} >= 5) {
			my ($type, $length) = unpack 'aN', $self->{buffer};
			if (length $self->{buffer} > $length) {
				my $body = substr $self->{buffer}, 5, $length - 4;
				substr($self->{buffer}, 0, $length + 1) = '';
				return [ $type, $body ];
			}
		}
		my $left = $end - time;
		return undef if $left <= 0 || !IO::Select->new($self->{socket})->can_read($left);
		my $read = sysread $self->{socket}, my $more, 65536;
		return [ '', '' ] if !$read;
		$self->{buffer} .= $more;
	}
}

# All messages up to one of type $last, ReadyForQuery, or the end of the connection, which is told by a last ['', ''].
# Dies when $seconds (60) have passed.
sub until {
	my ($self, $last, $seconds) = @_;
	my @messages;
	while (1) {
		my $message = $self->message($seconds) // die "no message of type $last in time\n";
		push @messages, $message;
		return @messages if $message->[0] eq '' || $message->[0] eq $last || $message->[0] eq 'Z';
	}
}

sub until_ready { return $_[0]->until('Z', $_[1]) }

# Sends messages and gives all answers up to ReadyForQuery.
sub ask {
	my ($self, @messages) = @_;
	return $self->send(@messages)->until_ready;
}

# The types of messages as one text; parameters and notices left out.
sub types { return join '', map { $_->[0] eq '' ? '!' : $_->[0] } grep { $_->[0] !~ /[SNK]/ } @_ }

# "SEVERITY SQLSTATE message" of the first error, or ''.
sub error_of {
	for my $message (@_) {
		next if $message->[0] ne 'E';
		my %fields = map { (substr($_, 0, 1), substr($_, 1)) } split /\0/, $message->[1];
		return "$fields{V} $fields{C} $fields{M}: " . ($fields{D} // '');
	}
	return '';
}

# The first column of each row.
sub rows {
	return map { my ($length) = unpack 'x2N', $_->[1]; substr $_->[1], 6, $length } grep { $_->[0] eq 'D' } @_;
}

sub close { close $_[0]{socket}; return }

1;
